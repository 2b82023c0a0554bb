//! Charts as SVG, drawn on the server.

use std::fmt;

/// Bars over names, from the left to the right.
pub(super) struct Chart {
    pub(super) title: String,
    /// Names, values, and the values as people read them.
    pub(super) bars: Vec<(String, f64, String)>,
}

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 240.0;
/// A single bar is no wall.
const WIDEST: f64 = 60.0;

/// A picture for those who see it: the table beside it says the same.
impl fmt::Display for Chart {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = self.bars.iter().map(|bar| bar.1).fold(0.0, f64::max);
        write!(
            out,
            r#"<figure><svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{}">"#,
            Escaped(&self.title)
        )?;
        let count = self.bars.len().max(1);
        let step = (WIDTH / count as f64).min(WIDEST);
        for (index, (name, value, shown)) in self.bars.iter().enumerate() {
            let height = if most > 0.0 { HEIGHT * value / most } else { 0.0 };
            let (x, y) = (step * index as f64, HEIGHT - height);
            write!(
                out,
                r#"<rect x="{:.1}" y="{y:.1}" width="{:.1}" height="{height:.1}"><title>{}: {}</title></rect>"#,
                x + step * 0.1,
                step * 0.8,
                Escaped(name),
                Escaped(shown),
            )?;
        }
        write!(out, "</svg><figcaption>{}", Escaped(&self.title))?;
        // Words beside the picture, where their contrast is that of all text.
        if let (Some(first), Some(last)) = (self.bars.first(), self.bars.last()) {
            write!(out, "; from {} to {}", Escaped(&first.0), Escaped(&last.0))?;
        }
        if let Some((name, _, shown)) = self.bars.iter().find(|bar| bar.1 >= most && most > 0.0) {
            write!(out, "; the most is {} ({})", Escaped(shown), Escaped(name))?;
        }
        write!(out, "</figcaption></figure>")
    }
}

/// Text between tags and in attributes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => out.write_str("&amp;")?,
                '<' => out.write_str("&lt;")?,
                '>' => out.write_str("&gt;")?,
                '"' => out.write_str("&quot;")?,
                other => write!(out, "{other}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text_and_no_bar_is_higher_than_the_picture() {
        let chart = Chart {
            title: "a \"b\"".into(),
            bars: vec![("<x>".into(), 3.0, "3".into()), ("y".into(), 0.0, "0".into())],
        };
        let svg = chart.to_string();

        assert!(svg.contains("&lt;x&gt;") && !svg.contains("<x>"), "{svg}");
        assert!(svg.contains(r#"aria-label="a &quot;b&quot;""#), "{svg}");
        assert!(svg.contains(r#"height="240.0""#), "{svg}");
        assert!(
            Chart {
                title: String::new(),
                bars: Vec::new()
            }
            .to_string()
            .ends_with("</figure>")
        );
    }
}
