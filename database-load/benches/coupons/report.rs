//! The figures as tables and as JSON.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::measure::Figures;

const MEBIBYTE: f64 = 1_048_576.0;

/// One thing that is measured.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) what: String,
    /// Bytes of text, unpacked.
    text_bytes: u64,
    pub(crate) command: Vec<OsString>,
    /// The file that its output has to equal.
    pub(crate) valid: Option<PathBuf>,
    /// The rows that follow are compared with it.
    is_floor: bool,
    /// Most of the floor's wall time, and most MiB.
    target: Option<(f64, u64)>,
    /// One for each round.
    pub(crate) figures: Vec<Figures>,
}

impl Row {
    pub(crate) fn new(what: String, text_bytes: u64, command: Vec<OsString>) -> Row {
        Row {
            what,
            text_bytes,
            command,
            valid: None,
            is_floor: false,
            target: None,
            figures: Vec::new(),
        }
    }

    pub(crate) fn floor(mut self) -> Row {
        self.is_floor = true;
        self
    }

    pub(crate) fn target(mut self, floors: f64, mebibytes: u64) -> Row {
        self.target = Some((floors, mebibytes));
        self
    }

    fn median(&self, of: impl Fn(&Figures) -> f64) -> f64 {
        let mut all: Vec<f64> = self.figures.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn wall_s(&self) -> f64 {
        self.median(Figures::wall)
    }

    fn processor_s(&self) -> f64 {
        self.median(Figures::processor_s)
    }

    /// Multiple of the floor: the median over the rounds, each compared within itself.
    fn ratio(&self, floor: &Row, of: impl Fn(&Figures) -> f64) -> f64 {
        let rounds = self.figures.iter().zip(&floor.figures);
        let mut all: Vec<f64> = rounds.map(|(own, floor)| of(own) / of(floor)).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The most of all rounds.
    fn peak_mebibytes(&self) -> f64 {
        let most = self.figures.iter().map(|figures| figures.peak_bytes).max();
        most.unwrap_or_default() as f64 / MEBIBYTE
    }
}

/// All that was measured.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    scale: f64,
    rounds: usize,
    pub(crate) targets: Vec<Row>,
    pub(crate) scales: Vec<Row>,
    pub(crate) threads: Vec<Row>,
}

impl Report {
    pub(crate) fn new(scale: f64, rounds: usize) -> Report {
        Report {
            scale,
            rounds,
            targets: Vec::new(),
            scales: Vec::new(),
            threads: Vec::new(),
        }
    }

    fn tables(&self) -> [(&'static str, &[Row]); 3] {
        [
            ("Targets", &self.targets),
            ("Scales", &self.scales),
            ("Threads", &self.threads),
        ]
    }

    pub(crate) fn json(&self) -> String {
        let tables = self.tables().map(|(title, rows)| {
            let rows: Vec<Value> = with_floors(rows)
                .map(|(row, floor)| {
                    json!({
                        "what": row.what,
                        "wall_s": row.wall_s(),
                        "processor_s": row.processor_s(),
                        "of_floor": row.ratio(floor, Figures::wall),
                        "of_floor_processor": row.ratio(floor, Figures::processor_s),
                        "peak_mib": row.peak_mebibytes(),
                        "is_exact": row.valid.as_ref().map(|_| true),
                        "target_of_floor": row.target.map(|(floors, _)| floors),
                        "target_mib": row.target.map(|(_, mebibytes)| mebibytes),
                        "rounds": row.figures,
                    })
                })
                .collect();
            (title.to_lowercase(), Value::from(rows))
        });
        let mut all = json!({
            "scale": self.scale,
            "rounds": self.rounds,
            "cores": cores(),
            "processor": processor(),
        });
        if let Value::Object(all) = &mut all {
            all.extend(tables);
        }
        format!("{all:#}\n")
    }
}

/// Each row with the floor that stands before it.
fn with_floors(rows: &[Row]) -> impl Iterator<Item = (&Row, &Row)> {
    rows.iter().scan(None, |floor, row| {
        if row.is_floor {
            *floor = Some(row);
        }
        Some((row, floor.unwrap_or(row)))
    })
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn processor() -> String {
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = about.lines().find_map(|line| line.strip_prefix("model name"));
    name.unwrap_or("unknown")
        .trim_start_matches(['\t', ' ', ':'])
        .to_owned()
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { scale, rounds, .. } = self;
        writeln!(
            out,
            "# Coupon corpus\n\nScale {scale}, {} cores ({}), {rounds} rounds: medians, and the highest peaks.",
            cores(),
            processor()
        )?;
        for (title, rows) in self.tables() {
            if rows.is_empty() {
                continue;
            }
            writeln!(out, "\n## {title}\n")?;
            let heads = [
                "wall s", "MB/s", "× floor", "target", "cpu s", "× floor", "peak", "target", "written",
            ];
            let heads: String = heads.iter().map(|head| format!(" {head:>8} |")).collect();
            writeln!(out, "| {:<38} |{heads}", "")?;
            writeln!(out, "|{:-<40}|{}", "", "---------:|".repeat(9))?;
            for (row, floor) in with_floors(rows) {
                let (wall_s, ratio) = (row.wall_s(), row.ratio(floor, Figures::wall));
                let peak = row.peak_mebibytes();
                let target = |is_met, target: String| if is_met { target } else { format!("**{target}**") };
                let (floors, mebibytes) = row.target.map_or_else(Default::default, |(floors, mebibytes)| {
                    (
                        target(ratio <= floors, format!("≤ {floors:.2}")),
                        target(peak <= mebibytes as f64, format!("≤ {mebibytes}")),
                    )
                });
                let cells = [
                    format!("{wall_s:.2}"),
                    format!("{:.0}", row.text_bytes as f64 / 1e6 / wall_s),
                    format!("{ratio:.2}"),
                    floors,
                    format!("{:.2}", row.processor_s()),
                    format!("{:.2}", row.ratio(floor, Figures::processor_s)),
                    format!("{peak:.0}"),
                    mebibytes,
                    format!(
                        "{:.0}",
                        row.median(|figures| figures.written_bytes as f64) / MEBIBYTE
                    ),
                ];
                let cells: String = cells.iter().map(|cell| format!(" {cell:>8} |")).collect();
                writeln!(out, "| {:<38} |{cells}", row.what)?;
            }
        }
        writeln!(
            out,
            "\nMB/s is text; cpu is processor time of program and kernel; peak (resident memory) and written (to files and pipes) are \
             MiB. A missed target is bold. Every scan printed exactly the valid codes."
        )
    }
}
