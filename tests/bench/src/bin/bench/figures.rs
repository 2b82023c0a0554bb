//! Runs, and what is made of several.

use serde::Serialize;

use crate::usage::Processor;

/// One measured run against one server.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Run {
    /// Answers a second.
    pub(crate) rate: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    /// Answers with 2xx, or transactions.
    pub(crate) accepted: u64,
    /// Other answers.
    pub(crate) refused: u64,
    /// Requests without an answer.
    pub(crate) broken: u64,
    /// Seconds of processor time.
    pub(crate) processor: Processor,
}

impl Run {
    /// Answers with 2xx at this rate, which took so many milliseconds each.
    pub(crate) fn of(rate: f64, mut latencies: Vec<f64>) -> Run {
        latencies.sort_by(f64::total_cmp);
        Run {
            rate,
            p50_ms: percentile(&latencies, 0.50),
            p99_ms: percentile(&latencies, 0.99),
            max_ms: percentile(&latencies, 1.0),
            accepted: latencies.len() as u64,
            ..Run::default()
        }
    }
}

/// The runs of one server, one per round.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Series {
    pub(crate) section: &'static str,
    pub(crate) name: String,
    pub(crate) runs: Vec<Run>,
}

/// A server, or one way to load it, that takes its turn in each round.
pub(crate) struct Subject<'a> {
    pub(crate) name: &'a str,
    pub(crate) run: Box<dyn FnMut() -> anyhow::Result<Run> + 'a>,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(name: &'a str, run: impl FnMut() -> anyhow::Result<Run> + 'a) -> Subject<'a> {
        Subject {
            name,
            run: Box::new(run),
        }
    }
}

/// Lets the subjects take turns: forwards in one round, backwards in the next, so that what drifts
/// meets all alike.
pub(crate) fn alternate<const N: usize>(
    section: &'static str,
    rounds: usize,
    mut subjects: [Subject<'_>; N],
) -> anyhow::Result<[Series; N]> {
    let mut series: [Series; N] = std::array::from_fn(|_| Series {
        section,
        name: String::new(),
        runs: Vec::new(),
    });
    for round in 0..rounds {
        let mut turns: Vec<_> = subjects.iter_mut().zip(&mut series).collect();
        if round % 2 == 1 {
            turns.reverse();
        }
        for (subject, series) in turns {
            subject.name.clone_into(&mut series.name);
            series.runs.push((subject.run)()?);
        }
    }
    Ok(series)
}

impl Series {
    pub(crate) fn rate(&self) -> f64 {
        self.median(|run| run.rate)
    }

    pub(crate) fn p50_ms(&self) -> f64 {
        self.median(|run| run.p50_ms)
    }

    pub(crate) fn p99_ms(&self) -> f64 {
        self.median(|run| run.p99_ms)
    }

    pub(crate) fn median(&self, of: impl Fn(&Run) -> f64) -> f64 {
        median(self.runs.iter().map(of).collect())
    }

    /// The median of this one's rate through the other's, round by round.
    pub(crate) fn rate_through(&self, other: &Series) -> f64 {
        self.through(other, |run| run.rate)
    }

    /// The median of this one's figure through the other's, round by round.
    pub(crate) fn through(&self, other: &Series, of: impl Fn(&Run) -> f64) -> f64 {
        median(
            self.runs
                .iter()
                .zip(&other.runs)
                .map(|(run, other)| of(run) / of(other))
                .collect(),
        )
    }

    /// Microseconds of processor time per answer.
    pub(crate) fn processor_micros(&self) -> Processor {
        let per_answer = |of: fn(&Processor) -> f64| {
            self.median(|run| of(&run.processor) * 1e6 / (run.accepted + run.refused).max(1) as f64)
        };
        Processor {
            server: per_answer(|processor| processor.server),
            database: per_answer(|processor| processor.database),
            load: per_answer(|processor| processor.load),
            others: per_answer(|processor| processor.others),
        }
    }

    /// The largest share of the processors, in percent, that others took during a run.
    pub(crate) fn disturbance(&self, processors: usize, seconds: u64) -> f64 {
        let all = processors as f64 * seconds as f64;
        let shares = self.runs.iter().map(|run| 100.0 * run.processor.others / all);
        shares.fold(0.0, f64::max)
    }

    /// Answers that were no 2xx, and requests without an answer.
    pub(crate) fn failures(&self) -> u64 {
        self.runs.iter().map(|run| run.refused + run.broken).sum()
    }
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    percentile(&values, 0.5)
}

/// The value below which `share` of the sorted values lie; the mean of two when it falls between
/// them; 0 for none.
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let place = share * last as f64;
    let at = |place: f64| sorted.get(place as usize).copied().unwrap_or(0.0);
    (at(place.floor()) + at(place.ceil())) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_ratios_is_taken_round_by_round() {
        let series = |rates: [f64; 3]| Series {
            section: "",
            name: String::new(),
            runs: rates
                .into_iter()
                .map(|rate| Run {
                    rate,
                    ..Run::default()
                })
                .collect(),
        };

        let ratio = series([50.0, 10.0, 30.0]).rate_through(&series([100.0, 100.0, 50.0]));

        assert_eq!(ratio, 0.5);
    }

    #[test]
    fn percentiles_lie_between_the_first_and_the_last_value() {
        assert_eq!(percentile(&[], 0.5), 0.0);
        assert_eq!(percentile(&[3.0], 0.99), 3.0);
        assert_eq!(percentile(&[1.0, 2.0], 0.5), 1.5);
        assert_eq!(percentile(&[1.0, 2.0, 9.0], 0.5), 2.0);
        assert_eq!(percentile(&[1.0, 2.0, 9.0], 1.0), 9.0);
    }

    #[test]
    fn the_subjects_take_turns_forwards_and_backwards() {
        let turns = std::cell::RefCell::new(String::new());
        let subject = |name: &'static str| {
            let turns = &turns;
            Subject::new(name, move || {
                turns.borrow_mut().push_str(name);
                Ok(Run::default())
            })
        };

        let series = alternate("section", 3, [subject("a"), subject("b"), subject("c")]).unwrap();

        assert_eq!(*turns.borrow(), "abccbaabc");
        assert_eq!(series.map(|series| series.runs.len()), [3, 3, 3]);
    }
}
