//! The ports that are listened on.

use std::net::TcpListener;

use process::failure::{ExitCode, Failure, OrExit};

/// Binds an address; `setting` names its port. Returns the port, too, which the system chose for 0.
///
/// # Errors
/// Exit code 6 when it cannot be bound.
pub(crate) fn listen(setting: &str, (address, port): (&str, u16)) -> Result<(TcpListener, u16), Failure> {
    let problem = format!("{setting}: cannot listen on {address}:{port}");
    let listener = TcpListener::bind((address, port)).or_exit(ExitCode::Input, problem)?;
    let port = listener.local_addr().or_exit(ExitCode::Input, setting)?.port();
    Ok((listener, port))
}
