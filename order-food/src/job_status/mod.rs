//! Jobs as the clients that started them see them.

mod answer;
pub(crate) mod handlers;

pub(crate) use answer::JobAnswer;
pub(crate) use handlers::file_of;
