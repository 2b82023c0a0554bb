//! The objects that a folder or a pattern of a bucket stands for.

use futures_util::TryStreamExt as _;
use glob::{MatchOptions, Pattern};
use object_store::ObjectMeta;
use object_store::path::Path;
use process::failure::{ExitCode, Failure};

use super::store::Store;
use crate::format::Format;
use crate::sources::location::{Location, Source, is_pattern};

/// More would be a slip.
const MAX_OBJECTS: usize = 10_000;

/// Names and objects, sorted by name.
///
/// A folder stands for the objects right in it, of which a table's must have a known ending; hidden ones are left out.
///
/// # Errors
/// `Usage` when there is none; as for any request else.
pub(super) async fn objects(store: &Store, source: &Source) -> Result<Vec<(String, ObjectMeta)>, Failure> {
    let Location::Bucket { bucket, key } = &source.location else {
        return Ok(Vec::new());
    };
    let usage = |problem: &str| Failure::new(ExitCode::Usage, format!("source {}: {problem}", source.name));
    let pattern = match is_pattern(key) {
        true => Some(Pattern::new(key).map_err(|error| usage(&error.to_string()))?),
        false => None,
    };
    // Listing begins at the last folder that has no wildcard.
    let plain: Vec<&str> = match pattern {
        Some(_) => key.split('/').take_while(|part| !is_pattern(part)).collect(),
        None => key.split('/').filter(|part| !part.is_empty()).collect(),
    };
    let prefix = Path::from_iter(plain);
    let wanted = |meta: &ObjectMeta| {
        let name = meta.location.filename().unwrap_or_default();
        let is_known = !source.is_table || source.format.is_some() || Format::of(name).is_some();
        match &pattern {
            Some(pattern) => pattern.matches_with(meta.location.as_ref(), OPTIONS),
            None => !name.starts_with('.') && is_known,
        }
    };
    let listed = match &pattern {
        // Every level below may match.
        Some(_) => {
            let mut found = Vec::new();
            let mut all = store.objects.list(Some(&prefix));
            loop {
                match all.try_next().await {
                    Ok(Some(meta)) => found.extend(Some(meta).filter(wanted)),
                    Ok(None) => break Ok(found),
                    Err(error) => break Err(error),
                }
                if found.len() > MAX_OBJECTS {
                    return Err(usage("matches more than 10000 objects"));
                }
            }
        }
        None => store
            .objects
            .list_with_delimiter(Some(&prefix))
            .await
            .map(|listed| {
                let objects = listed.objects.into_iter();
                objects.filter(wanted).collect()
            }),
    };
    let mut found: Vec<(String, ObjectMeta)> = listed
        .map_err(|error| store.failure(&source.name, &error, store.wire.problem()))?
        .into_iter()
        .map(|meta| (format!("s3://{bucket}/{}", meta.location), meta))
        .collect();
    found.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    if found.is_empty() {
        return Err(usage("stands for no object"));
    }
    Ok(found)
}

const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};
