//! Reasons for having no connection.

use crate::pooling;
use crate::settings::Invalid;

/// No connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No server answers, or it is starting, stopping or full: a later attempt may work.
    #[error("the database {target} cannot be reached")]
    Unreachable {
        /// `host:port/name`
        target: String,
        /// The error of the attempt.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server refuses (password, database name, TLS): the settings have to change.
    #[error("the database {target} refuses the connection{hint}")]
    Refused {
        /// `host:port/name`
        target: String,
        /// Empty, or a remark in parentheses.
        hint: String,
        /// The server's answer.
        #[source]
        cause: tokio_postgres::Error,
    },
    /// The certificate of the server, or of this client, is not accepted.
    #[error("the certificate of the database {target} is not accepted: {problem}")]
    Certificate {
        /// `host:port/name`
        target: String,
        /// The reason, in words.
        problem: String,
    },
    /// A pooler is in between that gives no sessions of their own, which this program needs.
    #[error("the database {target} is behind a pooler that {problem}: {}", pooling::TO_DO)]
    Pooled {
        /// `host:port/name`
        target: String,
        /// What the pooler does, as the end of a sentence.
        problem: &'static str,
    },
    /// Texts of the shop cannot be stored in this database.
    #[error(
        "the database {target} has the encoding {encoding}, and UTF8 is needed: create it with \
         CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
    )]
    Encoding {
        /// `host:port/name`
        target: String,
        /// PostgreSQL's name of the encoding.
        encoding: String,
    },
    /// There is no token to log in with, and asking again does not help.
    #[error("cannot log in to the database {target}: {problem}")]
    NoToken {
        /// `host:port/name`
        target: String,
        /// The reason, in words.
        problem: String,
    },
    /// A setting cannot be used.
    #[error(transparent)]
    Settings(#[from] Invalid),
}

impl ConnectError {
    /// Whether trying again later makes sense.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, ConnectError::Unreachable { .. })
    }
}
