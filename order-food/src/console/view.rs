//! What pages of the console are made of: sections of tables, facts, forms and charts, which one
//! template writes.

use askama::Template;
use chrono::{DateTime, Utc};
use serde_json::Value;

/// A page.
#[derive(Template)]
#[template(path = "console/page.html")]
pub(super) struct Page {
    pub(super) frame: Frame,
    pub(super) title: String,
    /// What went wrong or what was done, above everything else.
    pub(super) banner: Option<Banner>,
    pub(super) sections: Vec<Section>,
}

/// What stands around every page.
#[derive(Clone, Debug, Default)]
pub(super) struct Frame {
    /// Address of the style sheet.
    pub(super) style: String,
    /// Address of the script.
    pub(super) script: String,
    pub(super) icon: String,
    /// Pages that the session may see: address and name.
    pub(super) pages: Vec<(&'static str, &'static str)>,
    /// The first path segment of this page.
    pub(super) here: String,
    /// The visitor; `None` on the log-in page.
    pub(super) visitor: Option<String>,
    /// Nothing can be changed here, for anybody.
    pub(super) read_only: bool,
}

/// A line above the page.
#[derive(Clone, Debug)]
pub(super) struct Banner {
    pub(super) text: String,
    /// Whether it tells of a failure.
    pub(super) bad: bool,
}

/// A part of a page.
pub(super) enum Section {
    Table(Table),
    Facts(Facts),
    Form(Form),
    Chart(super::chart::Chart),
    /// Text that is folded at first: heading and text.
    Folded(String, String),
    Links(Vec<(String, String)>),
    /// A sentence.
    Text(String),
    /// Presses beside each other.
    Actions(Vec<Action>),
    /// Positions in an order, with the present one marked.
    Steps(Vec<(&'static str, bool)>),
    /// A button that prints the page, where there are scripts.
    Print,
}

/// Rows under headings.
#[derive(Default)]
pub(super) struct Table {
    pub(super) caption: String,
    pub(super) head: Vec<&'static str>,
    pub(super) rows: Vec<Row>,
    /// Instead of rows, when there are none.
    pub(super) empty: &'static str,
    /// A form around the table, whose buttons act on the ticked rows.
    pub(super) ticked: Option<Ticked>,
    /// Address of the next page.
    pub(super) next: Option<String>,
}

/// What can be done with ticked rows.
pub(super) struct Ticked {
    pub(super) path: &'static str,
    pub(super) buttons: Vec<(&'static str, &'static str)>,
}

/// A row of a table.
#[derive(Default)]
pub(super) struct Row {
    /// Value of its box, in a table whose rows can be ticked.
    pub(super) tick: Option<String>,
    pub(super) cells: Vec<Cell>,
    pub(super) actions: Vec<Action>,
}

/// A value in a table or a list of facts.
pub(super) enum Cell {
    Text(String),
    Number(String),
    Code(String),
    Link(String, String),
    Time(DateTime<Utc>),
    /// Something that wants to be looked at.
    Bad(String),
}

/// One press that changes something.
pub(super) struct Action {
    pub(super) path: String,
    pub(super) label: String,
    /// What the press is about, for those who do not see the row.
    pub(super) about: String,
    pub(super) fields: Vec<(&'static str, String)>,
}

/// Names with values.
pub(super) struct Facts {
    pub(super) heading: String,
    pub(super) rows: Vec<(String, Cell)>,
}

/// A form with fields.
#[derive(Default)]
pub(super) struct Form {
    pub(super) heading: String,
    pub(super) path: String,
    /// Whether it asks and changes nothing.
    pub(super) get: bool,
    pub(super) fields: Vec<Field>,
    pub(super) submit: String,
}

/// A field of a form.
#[derive(Default)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) label: String,
    pub(super) kind: &'static str,
    pub(super) value: String,
    /// Values to choose from; empty: any text.
    pub(super) options: Vec<(String, String)>,
    pub(super) required: bool,
    pub(super) hint: &'static str,
    pub(super) autocomplete: &'static str,
    /// Values to suggest beside any other.
    pub(super) suggested: Vec<String>,
    /// Tells fields of one name apart that stand in several forms of a page.
    pub(super) place: &'static str,
}

impl Field {
    /// A field for any text.
    pub(super) fn text(name: &'static str, label: &str, value: &str) -> Field {
        Field {
            name,
            label: label.into(),
            kind: "text",
            value: value.into(),
            autocomplete: "off",
            ..Field::default()
        }
    }

    /// A field that is not seen.
    pub(super) fn hidden(name: &'static str, value: &str) -> Field {
        Field {
            kind: "hidden",
            ..Field::text(name, "", value)
        }
    }

    /// A choice between values.
    pub(super) fn choice(name: &'static str, label: &str, value: &str, options: &[&str]) -> Field {
        let option = |text: &&str| match *text {
            "" => (String::new(), "any".to_owned()),
            text => (text.to_owned(), text.to_owned()),
        };
        Field {
            options: options.iter().map(option).collect(),
            ..Field::text(name, label, value)
        }
    }

    pub(super) fn required(self) -> Field {
        Field {
            required: true,
            ..self
        }
    }
}

impl Cell {
    /// A member of a row that the database gave as JSON; a dash where there is none.
    pub(super) fn of(row: &Value, member: &str) -> Cell {
        match row.get(member) {
            None | Some(Value::Null) => Cell::Text("–".into()),
            Some(Value::Number(number)) => Cell::Number(match number.as_f64() {
                Some(value) if number.is_f64() => format!("{value:.1}"),
                _ => number.to_string(),
            }),
            Some(Value::String(text)) => match DateTime::parse_from_rfc3339(text) {
                Ok(time) => Cell::Time(time.to_utc()),
                Err(_) => Cell::Text(shortened(text.clone())),
            },
            Some(Value::Object(counts)) if !counts.is_empty() && counts.values().all(Value::is_number) => {
                let count =
                    |(name, number): (&String, &Value)| format!("{} {number}", name.replace('_', " "));
                Cell::Text(counts.iter().map(count).collect::<Vec<_>>().join(", "))
            }
            Some(other) => Cell::Code(shortened(other.to_string())),
        }
    }

    /// Members of a row, in this order.
    pub(super) fn row(row: &Value, members: &[&str]) -> Vec<Cell> {
        members.iter().map(|member| Cell::of(row, member)).collect()
    }

    /// A whole number.
    pub(super) fn number(number: impl ToString) -> Cell {
        Cell::Number(number.to_string())
    }

    /// A time, or a dash.
    pub(super) fn time(time: Option<DateTime<Utc>>) -> Cell {
        time.map_or_else(|| Cell::Text("–".into()), Cell::Time)
    }
}

/// The beginning of a long text: a page shows a hundred of them.
fn shortened(text: String) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.split_at(end).0),
        None => text,
    }
}

/// A time as the console writes it without JavaScript.
pub(super) fn utc(time: &DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

impl Table {
    /// Whether the values of a column are numbers.
    fn is_number(&self, column: &usize) -> bool {
        let cells = self.rows.iter().filter_map(|row| row.cells.get(*column));
        cells.clone().count() > 0 && cells.clone().all(Cell::is_number)
    }

    fn has_actions(&self) -> bool {
        self.ticked.is_none() && self.rows.iter().any(|row| !row.actions.is_empty())
    }
}

impl Cell {
    fn is_number(&self) -> bool {
        matches!(self, Cell::Number(_))
    }
}
