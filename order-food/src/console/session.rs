//! Sessions: a signed cookie that names an API key, which is looked up anew at each request.

use chrono::{DateTime, Utc};
use pages::{Signer, Site};
use shop::Scopes;
use uuid::Uuid;

use super::right::Right;
use crate::auth::is_unexpired;
use crate::reference_data::{ApiKeyId, Snapshot};

/// Name of the cookie, before the prefix that ties it to the host.
const COOKIE: &str = "console";
/// What the signature is for.
const LABEL: &str = "console session v1";
/// How long a session lasts.
const LIFETIME_S: u32 = 12 * 3_600;

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) key: ApiKeyId,
    pub(super) scopes: Scopes,
}

impl Session {
    /// Whether it has the right.
    pub(super) fn may(&self, right: Right) -> bool {
        right.is_of(self.scopes)
    }
}

/// The cookie of a new session: key id, time of issue and a random number, signed.
pub(super) fn cookie(signer: &Signer, site: &Site, key: ApiKeyId, now: DateTime<Utc>) -> String {
    let value = format!("{}.{}.{}", key.simple(), now.timestamp(), Uuid::new_v4().simple());
    let signature = signer.sign(LABEL, value.as_bytes());
    site.set_cookie(COOKIE, &format!("{value}.{signature}"), LIFETIME_S)
}

/// The cookie that ends the session of this browser.
pub(super) fn end(site: &Site) -> String {
    site.set_cookie(COOKIE, "", 0)
}

/// The session of a cookie that is ours, is young enough, and names a key that may log in now.
pub(super) fn of(
    signer: &Signer,
    site: &Site,
    headers: &actix_web::http::header::HeaderMap,
    snapshot: &Snapshot,
) -> Option<Session> {
    let (value, signature) = site.cookie(headers, COOKIE)?.rsplit_once('.')?;
    if !signer.verify(LABEL, value.as_bytes(), signature) {
        return None;
    }
    let mut parts = value.split('.');
    let key = Uuid::try_parse(parts.next()?).ok()?;
    let issued = DateTime::from_timestamp(parts.next()?.parse().ok()?, 0)?;
    let age = snapshot.now() - issued;
    if age.num_seconds() > i64::from(LIFETIME_S) || age.num_seconds() < -60 {
        return None;
    }
    let record = snapshot
        .api_keys
        .key(key)
        .filter(|record| is_unexpired(snapshot, record))?;
    let session = Session {
        key,
        scopes: record.scopes,
    };
    session.may(Right::Session).then_some(session)
}
