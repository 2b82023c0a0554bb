//! As much of PromQL as it takes to see which metrics an expression names, and within what.

/// A metric where an expression names it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mention {
    pub(super) metric: String,
    /// The functions and aggregations around it, the outermost first.
    pub(super) within: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Number(String),
    Open,
    Close,
    Other(String),
}

const OPERATORS: [&str; 6] = ["and", "or", "unless", "bool", "offset", "inf"];
/// What takes a list of labels.
const CLAUSES: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
pub(super) const AGGREGATIONS: [&str; 6] = ["sum", "max", "min", "count", "group", "absent"];

/// Every metric that the expression names.
pub(super) fn mentions(expression: &str) -> Vec<Mention> {
    let tokens = tokens(expression);
    let (mut found, mut within, mut function) = (Vec::new(), Vec::new(), String::new());
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Open => within.push(std::mem::take(&mut function)),
            Token::Close => drop(within.pop()),
            Token::Word(word) if tokens.get(index + 1) == Some(&Token::Open) => function.clone_from(word),
            Token::Word(word) => found.push(Mention {
                metric: word.clone(),
                within: within.iter().filter(|name| !name.is_empty()).cloned().collect(),
            }),
            Token::Number(_) | Token::Other(_) => {}
        }
    }
    found
}

/// Divisors that may be zero: neither a number nor a parenthesis that ends in `> 0`.
pub(super) fn unguarded_divisors(expression: &str) -> Vec<String> {
    let tokens = tokens(expression);
    let text = |tokens: &[Token]| format!("{tokens:?}");
    let slashes = (0..tokens.len()).filter(|index| tokens[*index] == Token::Other("/".into()));
    let divisors = slashes.map(|index| &tokens[index + 1..]);
    divisors
        .filter(|divisor| match divisor {
            [Token::Number(_), ..] => false,
            [Token::Open, ..] => {
                let mut depth = 0;
                let end = divisor.iter().position(|token| {
                    depth += match token {
                        Token::Open => 1,
                        Token::Close => -1,
                        _ => 0,
                    };
                    depth == 0
                });
                let inside = &divisor[..end.expect("parentheses in pairs")];
                !inside.ends_with(&[Token::Other(">".into()), Token::Number("0".into())])
            }
            _ => true,
        })
        .map(text)
        .collect()
}

/// Without label matchers, ranges, label lists and the operators that are words.
fn tokens(expression: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        let mut length = first.len_utf8();
        match first {
            '{' => length = closing(rest, '}'),
            '[' => length = closing(rest, ']'),
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            _ if first.is_ascii_digit() => {
                length = while_in(rest, |next| next.is_ascii_alphanumeric() || next == '.');
                tokens.push(Token::Number(rest[..length].into()));
            }
            _ if first.is_ascii_alphabetic() || first == '_' => {
                length = while_in(rest, |next| next.is_ascii_alphanumeric() || "_:".contains(next));
                let word = &rest[..length];
                if CLAUSES.contains(&word) {
                    length += closing(&rest[length..], ')');
                } else if !OPERATORS.contains(&word) {
                    tokens.push(Token::Word(word.into()));
                }
            }
            other => tokens.push(Token::Other(other.into())),
        }
        rest = rest[length..].trim_start();
    }
    tokens
}

fn while_in(text: &str, is_part: impl Fn(char) -> bool) -> usize {
    text.find(|next| !is_part(next)).unwrap_or(text.len())
}

/// Up to and with the closing bracket; one within quotes does not count.
fn closing(text: &str, bracket: char) -> usize {
    let mut quoted = false;
    for (index, next) in text.char_indices() {
        quoted ^= next == '"';
        if next == bracket && !quoted {
            return index + 1;
        }
    }
    panic!("no {bracket} in {text}");
}

#[test]
fn metrics_are_found_with_what_is_around_them() {
    let expression = r#"sum by (a, b) (rate(x_total{le="}", status=~"5.."}[5m])) / (max(y) > 0) > 2.5 * z unless on () group(w)"#;

    let found = mentions(expression);

    let expected = [
        ("x_total", ["sum", "rate"].as_slice()),
        ("y", &["max"]),
        ("z", &[]),
        ("w", &["group"]),
    ];
    let expected = expected.map(|(metric, within)| Mention {
        metric: metric.into(),
        within: within.iter().map(|name| (*name).to_owned()).collect(),
    });
    assert_eq!(found, expected);
    assert_eq!(unguarded_divisors(expression), Vec::<String>::new());
    assert_eq!(
        unguarded_divisors("a / b + c / sum(d) + e / 60 + f / (g > 1)").len(),
        3
    );
}
