//! Reads and validates everything that a profile brings, before anything is written.

use process::failure::{ExitCode, Failure};
use process::telemetry;

use crate::datasets::{Data, DatasetKind, Inputs, Notes, Reading};
use crate::formats::Findings;
use crate::profile::{Operation, Profile};
use crate::sources::{Input, Source};

/// Reads everything that the profile brings; `inputs` are what [`open`](crate::sources::open)
/// found.
///
/// # Errors
/// `InvalidData`, caused by [`Findings`], when rows are not valid; `Usage` for a kind of file that
/// is not known, and for development rows in production; `Input` when a file cannot be read.
pub fn read(profile: &Profile, inputs: &[Input], reading: &Reading) -> Result<Data, Failure> {
    let mut data = Data::default();
    let mut findings = Findings::default();
    let mut development = None;
    let mut failed: Vec<DatasetKind> = Vec::new();
    for operation in &profile.operations {
        if operation.needs.iter().any(|need| failed.contains(need)) {
            failed.push(operation.dataset);
            continue;
        }
        let dataset = operation.dataset.dataset();
        let span = (dataset.span)();
        let mut notes = Notes::default();
        let inputs = inputs_of(operation, profile, inputs);
        let parsed = span.in_scope(|| (dataset.parse)(&inputs, reading, &mut data, &mut notes));
        if let Err(failure) = parsed {
            telemetry::fail(&span, &failure);
            return Err(failure);
        }
        if !notes.findings.is_empty() {
            telemetry::fail(&span, &notes.findings);
            failed.push(operation.dataset);
            findings.append(notes.findings);
        }
        development = development.or(notes.development.0);
        span.record("rows", data.count(operation.dataset));
        data.spans.insert(operation.dataset, span);
    }
    if !findings.is_empty() {
        return Err(invalid(&profile.name, findings));
    }
    if let (true, Some(place)) = (reading.production, development) {
        let message = format!(
            "profile {}: {place} is marked `development` and ENVIRONMENT is production; \
             name another profile with -p or PROFILES",
            profile.name
        );
        return Err(Failure::new(ExitCode::Usage, message));
    }
    Ok(data)
}

/// Exit 10; every bad row is logged as a warning, the first stands in the failure's line too.
pub(super) fn invalid(profile: &str, findings: Findings) -> Failure {
    for row in &findings.rows {
        tracing::warn!(profile, "{row}");
    }
    Failure::new(ExitCode::InvalidData, format!("profile {profile}")).context_from(findings)
}

fn inputs_of(operation: &Operation, profile: &Profile, inputs: &[Input]) -> Inputs {
    let first: usize = DatasetKind::ALL
        .into_iter()
        .take_while(|dataset| *dataset != operation.dataset)
        .filter_map(|dataset| profile.operation(dataset))
        .map(|earlier| earlier.sources.len() + earlier.api_keys.len())
        .sum();
    // A source may stand for several files.
    let of = |first: usize, sources: &[Source]| -> Vec<Input> {
        let numbers = first..first + sources.len();
        let own = inputs.iter().filter(|input| numbers.contains(&input.source));
        own.cloned().collect()
    };
    Inputs {
        sources: of(first, &operation.sources),
        api_keys: of(first + operation.sources.len(), &operation.api_keys),
        min_files: operation.min_files,
    }
}
