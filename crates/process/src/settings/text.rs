//! The text of a value, without the characters that surround it by accident.
//!
//! Variables and files get line breaks from `echo`, `kubectl` and editors, and byte order marks
//! from Windows; none of them shows in a message.

/// What becomes of blanks around a value; line breaks and byte order marks are always cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blanks {
    /// They are cut.
    Cut,
    /// They stay: a password may begin or end with one.
    Kept,
}

/// A text that cannot be a value. Its message does not show the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAValue {
    /// Bytes that are no UTF-8.
    #[error("the value (not shown) is not UTF-8")]
    NotUtf8,
    /// A byte order mark of UTF-16.
    #[error("the value (not shown) is UTF-16; write it as UTF-8")]
    Utf16,
    /// A line break in the middle.
    #[error("the value (not shown) holds a line break")]
    LineBreak,
    /// A NUL.
    #[error("the value (not shown) holds a NUL character")]
    Nul,
    /// Another control character.
    #[error("the value (not shown) holds a control character")]
    Control,
}

/// The value in the bytes of a variable or of a file.
///
/// # Errors
/// [`NotAValue::NotUtf8`] or [`NotAValue::Utf16`]; see [`checked`] for the rest.
pub fn value(bytes: &[u8], blanks: Blanks) -> Result<String, NotAValue> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(NotAValue::Utf16);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| NotAValue::NotUtf8)?;
    let is_around = |char: char| match char {
        '\n' | '\r' | '\u{feff}' | '\u{200b}' | '\u{2060}' => true,
        char => blanks == Blanks::Cut && char.is_whitespace(),
    };
    Ok(text.trim_matches(is_around).to_owned())
}

/// The text, unless it holds a character that no value of one line can hold.
///
/// # Errors
/// [`NotAValue`] names the kind of character.
pub fn checked<T: AsRef<str>>(text: T) -> Result<T, NotAValue> {
    let is_odd = |char: &char| char.is_control() && *char != '\t';
    match text.as_ref().chars().find(is_odd) {
        None => Ok(text),
        Some('\n' | '\r') => Err(NotAValue::LineBreak),
        Some('\0') => Err(NotAValue::Nul),
        Some(_) => Err(NotAValue::Control),
    }
}

/// The end of a sentence about a text that is no number: empty, or where the text may come from.
pub fn service_link(text: &str) -> &'static str {
    let is_link = ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| text.starts_with(scheme));
    match is_link {
        true => {
            "; it looks like the address of a Service, which Kubernetes gives to pods as a variable \
             (enableServiceLinks) and docker to linked containers"
        }
        false => "",
    }
}
