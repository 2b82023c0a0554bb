//! Standard output.

use std::io::{self, BufWriter, StdoutLock, Write as _};

use process::failure::{ExitCode, Failure, OrExit as _};

type Stdout = BufWriter<StdoutLock<'static>>;

/// Writes to standard output. A reader that wants no more, such as `head`, is no error.
pub(super) fn to_reader(write: impl FnOnce(&mut Stdout) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.or_exit(ExitCode::Input, "write to standard output"),
    }
}

/// As [`to_reader`], for text at hand.
pub(super) fn print(text: &[u8]) -> Result<(), Failure> {
    to_reader(|out| out.write_all(text))
}
