//! Representations of resources: ETag, 304, gzip, Last-Modified.

use std::io::Write;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// The bytes of a resource, ready to be sent: as they are and, where that is smaller, compressed.
#[derive(Clone, Debug)]
pub struct Representation {
    content_type: HeaderValue,
    cache_control: HeaderValue,
    vary: HeaderValue,
    last_modified: Option<(DateTime<Utc>, HeaderValue)>,
    identity: Encoded,
    gzip: Option<Encoded>,
}

#[derive(Clone, Debug)]
struct Encoded {
    bytes: Bytes,
    etag: HeaderValue,
}

/// Browsers may keep it, but revalidate it each time.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");
const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache");
/// A year: the address changes with the content.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const BY_ENCODING: HeaderValue = HeaderValue::from_static("Accept-Encoding");
const BY_COOKIE: HeaderValue = HeaderValue::from_static("Accept-Encoding, Cookie");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
/// The media type of JSON.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl Representation {
    /// A public resource made once and sent often: compressed now.
    pub fn made_once(
        content_type: HeaderValue,
        bytes: Vec<u8>,
        modified: Option<DateTime<Utc>>,
    ) -> Representation {
        Representation::compressed(content_type, bytes, modified, Compression::best())
    }

    /// A file at an address of its own for each content.
    pub fn asset(content_type: HeaderValue, bytes: Vec<u8>) -> Representation {
        Representation {
            cache_control: IMMUTABLE,
            ..Representation::made_once(content_type, bytes, None)
        }
    }

    /// A page made once for all that come without cookies of ours.
    pub fn shared_page(bytes: Vec<u8>) -> Representation {
        Representation {
            cache_control: PRIVATE,
            vary: BY_COOKIE,
            ..Representation::made_once(HTML, bytes, None)
        }
    }

    /// A page made for this request: compressed fast, if at all.
    pub fn page(request: &HttpRequest, bytes: Vec<u8>) -> Representation {
        let made = match accepts_gzip(request) {
            true => Representation::compressed(HTML, bytes, None, Compression::fast()),
            false => Representation {
                content_type: HTML,
                ..Representation::made_now(bytes, None)
            },
        };
        Representation {
            cache_control: PRIVATE,
            vary: BY_COOKIE,
            ..made
        }
    }

    fn compressed(
        content_type: HeaderValue,
        bytes: Vec<u8>,
        modified: Option<DateTime<Utc>>,
        effort: Compression,
    ) -> Representation {
        let gzip = compress(&bytes, effort).filter(|gzip| gzip.len() < bytes.len());
        let hash = hash(&bytes);
        Representation {
            content_type,
            cache_control: REVALIDATE,
            vary: BY_ENCODING,
            last_modified: modified.and_then(http_date),
            identity: Encoded {
                bytes: bytes.into(),
                etag: etag(&hash, ""),
            },
            gzip: gzip.map(|gzip| Encoded {
                bytes: gzip.into(),
                etag: etag(&hash, "-gzip"),
            }),
        }
    }

    /// A public JSON document made for this request.
    pub fn made_now(bytes: Vec<u8>, modified: Option<DateTime<Utc>>) -> Representation {
        let etag = etag(&hash(&bytes), "");
        Representation {
            content_type: JSON,
            cache_control: REVALIDATE,
            vary: BY_ENCODING,
            last_modified: modified.and_then(http_date),
            identity: Encoded {
                bytes: bytes.into(),
                etag,
            },
            gzip: None,
        }
    }

    /// A JSON document for this caller alone.
    pub fn private(bytes: Vec<u8>) -> Representation {
        Representation {
            cache_control: PRIVATE,
            ..Representation::made_now(bytes, None)
        }
    }

    /// A JSON document for this caller alone, whose versions have ETags of their own.
    pub fn private_version(bytes: Vec<u8>, etag: HeaderValue) -> Representation {
        let mut made = Representation::private(Vec::new());
        made.identity = Encoded {
            bytes: bytes.into(),
            etag,
        };
        made
    }

    /// 200 with the encoding that the client accepts, or 304 when the client has it already.
    pub fn respond(&self, request: &HttpRequest) -> HttpResponse {
        let encoded = self.encoded(request);
        self.answer(encoded, self.is_fresh(request, &encoded.etag))
    }

    /// 200 with the encoding that the client accepts, whatever the client has.
    pub fn whole(&self, request: &HttpRequest) -> HttpResponse {
        self.answer(self.encoded(request), false)
    }

    fn encoded(&self, request: &HttpRequest) -> &Encoded {
        match &self.gzip {
            Some(gzip) if accepts_gzip(request) => gzip,
            _ => &self.identity,
        }
    }

    fn answer(&self, encoded: &Encoded, fresh: bool) -> HttpResponse {
        let mut response = HttpResponse::build(if fresh {
            StatusCode::NOT_MODIFIED
        } else {
            StatusCode::OK
        });
        response
            .insert_header((header::ETAG, encoded.etag.clone()))
            .insert_header((header::CACHE_CONTROL, self.cache_control.clone()))
            .insert_header((header::VARY, self.vary.clone()));
        if let Some((_, date)) = &self.last_modified {
            response.insert_header((header::LAST_MODIFIED, date.clone()));
        }
        if fresh {
            return response.finish();
        }
        if self.gzip.as_ref().is_some_and(|gzip| gzip.etag == encoded.etag) {
            response.insert_header((header::CONTENT_ENCODING, HeaderValue::from_static("gzip")));
        }
        response
            .insert_header((header::CONTENT_TYPE, self.content_type.clone()))
            .body(encoded.bytes.clone())
    }

    /// RFC 9110 §13.2.2: If-None-Match decides alone; If-Modified-Since only without it.
    fn is_fresh(&self, request: &HttpRequest, etag: &HeaderValue) -> bool {
        if request.headers().contains_key(header::IF_NONE_MATCH) {
            return request
                .headers()
                .get_all(header::IF_NONE_MATCH)
                .filter_map(|value| value.to_str().ok())
                .flat_map(|list| list.split(','))
                .map(|tag| tag.trim().trim_start_matches("W/"))
                .any(|tag| tag == "*" || tag.as_bytes() == etag.as_bytes());
        }
        let since = request
            .headers()
            .get(header::IF_MODIFIED_SINCE)
            .and_then(|value| value.to_str().ok());
        match (
            since.and_then(|date| DateTime::parse_from_rfc2822(date).ok()),
            &self.last_modified,
        ) {
            (Some(since), Some((modified, _))) => *modified <= since,
            _ => false,
        }
    }
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(
        Sha256::digest(bytes)
            .iter()
            .copied()
            .take(16)
            .collect::<Vec<u8>>(),
    )
}

fn etag(hash: &str, suffix: &str) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{hash}{suffix}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

fn compress(bytes: &[u8], effort: Compression) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), effort);
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

/// The instant cut to the second, and its HTTP date.
fn http_date(instant: DateTime<Utc>) -> Option<(DateTime<Utc>, HeaderValue)> {
    let instant = DateTime::from_timestamp(instant.timestamp(), 0)?;
    let text = instant.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    Some((instant, HeaderValue::from_str(&text).ok()?))
}

/// Whether `Accept-Encoding` names gzip (or `*`) with a quality above 0.
#[must_use]
pub fn accepts_gzip(request: &HttpRequest) -> bool {
    let mut any = false;
    for value in request.headers().get_all(header::ACCEPT_ENCODING) {
        for coding in value.to_str().unwrap_or_default().split(',') {
            let (name, quality) = coding.split_once(';').unwrap_or((coding, "q=1"));
            let accepted = quality
                .trim()
                .to_ascii_lowercase()
                .strip_prefix("q=")
                .is_none_or(|q| q.parse::<f32>().is_ok_and(|q| q > 0.0));
            match name.trim() {
                name if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => {
                    return accepted;
                }
                "*" => any = accepted,
                _ => {}
            }
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn gzip_is_sent_only_to_clients_that_accept_it() {
        for (accepted, expected) in [
            ("gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("GZIP", true),
            ("*", true),
            ("gzip;q=0", false),
            ("gzip; Q=0", false),
            ("gzip;q=0, *", false),
            ("*;q=0", false),
            ("br", false),
            ("", false),
        ] {
            let request = TestRequest::default()
                .insert_header((header::ACCEPT_ENCODING, accepted))
                .to_http_request();
            assert_eq!(accepts_gzip(&request), expected, "{accepted}");
        }
    }

    #[test]
    fn a_known_tag_or_date_is_answered_304() {
        let modified = DateTime::from_timestamp(1_700_000_000, 123).unwrap();
        let made = Representation::made_once(JSON, b"[1,2,3]".to_vec(), Some(modified));
        let etag = made.identity.etag.to_str().unwrap().to_owned();
        let status = |name: header::HeaderName, value: &str| {
            made.respond(
                &TestRequest::default()
                    .insert_header((name, value))
                    .to_http_request(),
            )
            .status()
            .as_u16()
        };

        assert_eq!(status(header::IF_NONE_MATCH, &etag), 304);
        assert_eq!(status(header::IF_NONE_MATCH, &format!("\"x\", W/{etag}")), 304);
        assert_eq!(status(header::IF_NONE_MATCH, "*"), 304);
        assert_eq!(status(header::IF_NONE_MATCH, "\"x\""), 200);
        assert_eq!(
            status(header::IF_MODIFIED_SINCE, "Tue, 14 Nov 2023 22:13:20 GMT"),
            304
        );
        assert_eq!(
            status(header::IF_MODIFIED_SINCE, "Tue, 14 Nov 2023 22:13:19 GMT"),
            200
        );
        assert_eq!(status(header::IF_MODIFIED_SINCE, "yesterday"), 200);
    }
}
