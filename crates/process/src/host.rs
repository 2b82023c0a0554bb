//! The host's name.

/// The machine's name, which in Kubernetes is the pod's; `unknown` if the system does not tell.
#[must_use]
pub fn host_name() -> String {
    let read = |path| std::fs::read_to_string(path).ok();
    let name = read("/proc/sys/kernel/hostname")
        .or_else(|| read("/etc/hostname"))
        .unwrap_or_default();
    match name.trim() {
        "" => "unknown".into(),
        name => name.to_owned(),
    }
}
