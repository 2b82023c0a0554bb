//! The memory limit of the control group of this process.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// Beside its working memory a scan needs this much, bytes: the program, stacks, and what the
/// allocator holds back.
const OVERHEAD: u64 = 64 << 20;
const ROOT: &str = "/sys/fs/cgroup";

/// What of `asked` the control group of this process leaves, bytes.
pub(crate) fn allowed(asked: u64) -> u64 {
    match limit() {
        // Half of a very small group is all that can be had.
        Some(limit) => asked.min(limit.saturating_sub(OVERHEAD).max(limit / 2)),
        None => asked,
    }
}

/// The smallest limit of the group and those around it, bytes.
fn limit() -> Option<u64> {
    let groups = read_to_string("/proc/self/cgroup").unwrap_or_default();
    groups
        .lines()
        .filter_map(|line| line_limit(line, Path::new(ROOT)))
        .min()
}

/// `line` is `hierarchy:controllers:path`; the controllers of version 2 are empty.
fn line_limit(line: &str, root: &Path) -> Option<u64> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, path) = (fields.next()?, fields.next()?);
    let (root, file) = match controllers {
        "" => (root.to_owned(), "memory.max"),
        _ if controllers.split(',').any(|name| name == "memory") => {
            (root.join("memory"), "memory.limit_in_bytes")
        }
        _ => return None,
    };
    // Inside a container the path may be that of the host: then only the root is there.
    let group: PathBuf = root.join(path.trim_start_matches('/'));
    let groups = group.ancestors().take_while(|group| group.starts_with(&root));
    groups
        .filter_map(|group| read_to_string(group.join(file)).ok()?.trim().parse().ok())
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_limit_on_the_way_to_the_root_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("pod/memory.max", "300\n");
        write("pod/container/memory.max", "max\n");
        write("memory/job/memory.limit_in_bytes", "200\n");
        let limits = [
            "0::/pod/container",
            "4:cpu,memory:/job",
            "3:cpu:/job",
            "0::/",
            "4:memory:/elsewhere",
        ];
        let found = limits.map(|line| line_limit(line, root.path()));
        assert_eq!(found, [Some(300), Some(200), None, None, None]);
    }
}
