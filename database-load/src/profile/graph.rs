//! What operations need of each other.

use super::Operation;
use crate::datasets::DatasetKind;

pub(super) fn need(name: &str) -> Result<DatasetKind, String> {
    DatasetKind::named(name).ok_or_else(|| format!(".needs names the unknown operation `{name}`"))
}

/// Puts every operation after those that it needs.
pub(super) fn order(mut left: Vec<Operation>) -> Result<Vec<Operation>, String> {
    let present: Vec<DatasetKind> = left.iter().map(|operation| operation.dataset).collect();
    for operation in &mut left {
        let Operation { dataset, needs, .. } = operation;
        let refers_to = dataset.dataset().refers_to.iter();
        let implied = refers_to.filter(|(kind, is_required)| *is_required || present.contains(kind));
        needs.extend(implied.map(|(kind, _)| *kind));
        if let Some(missing) = needs.iter().find(|need| !present.contains(need)) {
            return Err(format!(
                "operations.{dataset} needs {missing}, which the profile does not have"
            ));
        }
    }
    let mut ordered: Vec<Operation> = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let is_ready = |operation: &mut Operation| {
            operation
                .needs
                .iter()
                .all(|need| ordered.iter().any(|done| done.dataset == *need))
        };
        let ready: Vec<Operation> = left.extract_if(.., is_ready).collect();
        if ready.is_empty() {
            let names: Vec<&str> = left.iter().map(|operation| operation.dataset.name()).collect();
            return Err(format!("the needs of {} form a cycle", names.join(", ")));
        }
        ordered.extend(ready);
    }
    Ok(ordered)
}
