//! What pages of the console are made of: sections of tables, facts, forms and charts, which one
//! template writes.

use askama::Template;
use serde_json::Value;

use super::cell::Cell;

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

impl Banner {
    /// A line about a failure.
    pub(super) fn bad(text: &str) -> Banner {
        Banner {
            text: text.into(),
            bad: true,
        }
    }
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

impl Facts {
    pub(super) fn new<const ROWS: usize>(heading: &str, rows: [(&str, Cell); ROWS]) -> Facts {
        Facts {
            heading: heading.into(),
            rows: rows.map(|(name, value)| (name.to_owned(), value)).into(),
        }
    }
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

impl Action {
    pub(super) fn new(
        path: impl Into<String>,
        label: &str,
        about: &str,
        fields: Vec<(&'static str, String)>,
    ) -> Action {
        Action {
            path: path.into(),
            label: label.into(),
            about: about.into(),
            fields,
        }
    }
}

impl Form {
    /// A form that asks for other rows of the same page.
    pub(super) fn filter(heading: &str, path: &str, fields: Vec<Field>) -> Form {
        Form {
            heading: heading.into(),
            path: path.into(),
            get: true,
            fields,
            submit: "Show".into(),
        }
    }
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

impl From<Vec<Cell>> for Row {
    fn from(cells: Vec<Cell>) -> Row {
        Row {
            cells,
            ..Row::default()
        }
    }
}

impl<const COLUMNS: usize> From<[Cell; COLUMNS]> for Row {
    fn from(cells: [Cell; COLUMNS]) -> Row {
        Row::from(Vec::from(cells))
    }
}

impl Row {
    /// Another cell at this place.
    pub(super) fn set(&mut self, place: usize, cell: Cell) {
        if let Some(old) = self.cells.get_mut(place) {
            *old = cell;
        }
    }
}

impl Table {
    pub(super) fn new<R: Into<Row>>(
        caption: &str,
        head: &[&'static str],
        rows: impl IntoIterator<Item = R>,
        empty: &'static str,
    ) -> Table {
        Table {
            caption: caption.into(),
            head: head.to_vec(),
            rows: rows.into_iter().map(R::into).collect(),
            empty,
            ..Table::default()
        }
    }

    /// A table of rows that the database gave as JSON, whose columns are members: heading and
    /// member.
    pub(super) fn of(
        caption: &str,
        columns: &[(&'static str, &str)],
        rows: &[Value],
        empty: &'static str,
    ) -> Table {
        let head: Vec<&'static str> = columns.iter().map(|(heading, _)| *heading).collect();
        let cells = |row: &Value| -> Vec<Cell> {
            let members = columns.iter().map(|(_, member)| *member);
            members.map(|member| Cell::of(row, member)).collect()
        };
        Table::new(caption, &head, rows.iter().map(cells), empty)
    }

    /// The same with each row changed by what the database gave for it.
    pub(super) fn with(mut self, rows: &[Value], change: impl Fn(&Value, &mut Row)) -> Table {
        for (row, shown) in rows.iter().zip(&mut self.rows) {
            change(row, shown);
        }
        self
    }

    /// Whether the values of a column are numbers.
    fn is_number(&self, column: &usize) -> bool {
        let cells = self.rows.iter().filter_map(|row| row.cells.get(*column));
        cells.clone().count() > 0 && cells.clone().all(Cell::is_number)
    }

    fn has_actions(&self) -> bool {
        self.ticked.is_none() && self.rows.iter().any(|row| !row.actions.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use askama::Template;

    use super::*;
    use crate::console::chart::Chart;

    fn drawn(title: &str, bars: &[(&str, f64, &str)]) -> String {
        let bar =
            |(name, value, shown): &(&str, f64, &str)| ((*name).to_owned(), *value, (*shown).to_owned());
        let chart = Chart {
            title: title.into(),
            bars: bars.iter().map(bar).collect(),
        };
        let page = Page {
            frame: Frame::default(),
            title: String::new(),
            banner: None,
            sections: vec![Section::Chart(chart)],
        };
        page.render().unwrap()
    }

    #[test]
    fn names_are_text_and_no_bar_is_higher_than_the_picture() {
        let svg = drawn("a \"b\"", &[("<x>", 3.0, "3"), ("y", 0.0, "0")]);

        assert!(svg.contains("&#60;x&#62;") && !svg.contains("<x>"), "{svg}");
        assert!(svg.contains(r#"aria-label="a &#34;b&#34;""#), "{svg}");
        assert!(svg.contains(r#"height="240.0""#), "{svg}");
        assert!(
            svg.contains("; from &#60;x&#62; to y; the most is 3 (&#60;x&#62;)</figcaption>"),
            "{svg}"
        );
        assert!(drawn("", &[]).contains("</figure>"));
    }
}
