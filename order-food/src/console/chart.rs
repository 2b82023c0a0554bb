//! Charts as SVG, drawn on the server.

/// Bars over names, from the left to the right: a picture for those who see it, beside a table that
/// says the same.
pub(super) struct Chart {
    pub(super) title: String,
    /// Names, values, and the values as people read them.
    pub(super) bars: Vec<(String, f64, String)>,
}

/// A bar of the picture, in its units.
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 240.0;
/// A single bar is no wall.
const WIDEST: f64 = 60.0;

impl Chart {
    fn most(&self) -> f64 {
        self.bars.iter().map(|bar| bar.1).fold(0.0, f64::max)
    }

    /// The greatest value and its name; `None` where nothing is above zero.
    pub(super) fn greatest(&self) -> Option<(&str, &str)> {
        let most = self.most();
        let (name, _, shown) = self.bars.iter().find(|bar| bar.1 >= most && most > 0.0)?;
        Some((name, shown))
    }

    /// The names of the first bar and of the last.
    pub(super) fn ends(&self) -> Option<(&str, &str)> {
        Some((&self.bars.first()?.0, &self.bars.last()?.0))
    }

    /// The bars with their names and values.
    pub(super) fn rects(&self) -> impl Iterator<Item = (Rect, &str, &str)> {
        let most = self.most();
        let step = (WIDTH / self.bars.len().max(1) as f64).min(WIDEST);
        (0..).zip(&self.bars).map(move |(index, (name, value, shown))| {
            let height = if most > 0.0 { HEIGHT * value / most } else { 0.0 };
            let rect = Rect {
                x: step * f64::from(index) + step * 0.1,
                y: HEIGHT - height,
                width: step * 0.8,
                height,
            };
            (rect, name.as_str(), shown.as_str())
        })
    }
}
