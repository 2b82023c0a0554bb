//! What operations need of each other.

use super::{Dataset, Operation};

pub(super) fn need(of: Dataset, name: &str) -> Result<Dataset, String> {
    let known = Dataset::ALL.into_iter().find(|dataset| dataset.name() == name);
    known.ok_or_else(|| format!("operations.{of}.needs names the unknown operation `{name}`"))
}

/// Puts every operation after those that it needs.
pub(super) fn order(mut left: Vec<Operation>) -> Result<Vec<Operation>, String> {
    let present: Vec<Dataset> = left.iter().map(|operation| operation.dataset).collect();
    for operation in &mut left {
        let Operation { dataset, needs, .. } = operation;
        if *dataset == Dataset::Orders {
            // Orders are checked against what comes with them, whether the profile says so or not.
            needs.extend([Dataset::Products, Dataset::Users]);
            needs.extend(present.iter().find(|present| **present == Dataset::Promotions));
        }
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
