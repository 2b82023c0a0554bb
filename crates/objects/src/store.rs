//! A bucket or a folder with objects.

use std::path::absolute;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::aws::AmazonS3;
use object_store::client::{HttpClient, HttpConnector};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::signer::Signer as _;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt as _};
use reqwest::{Method, Url};

use crate::location::Location;
use crate::s3::{S3, Tokens, builder, is_this_machine};
use crate::store_error::StoreError;
use crate::upload::Upload;

/// A bucket or a folder with objects. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    /// `None` for a folder.
    bucket: Option<Arc<AmazonS3>>,
    folder: Path,
    _tokens: Option<Tokens>,
}

/// The content of an object.
pub struct Content {
    /// Bytes in all.
    pub size: u64,
    /// The bytes, in pieces.
    pub body: BoxStream<'static, Result<Bytes, StoreError>>,
}

#[derive(Debug)]
struct Connector(reqwest::Client);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

impl Store {
    /// The store at a location: `s3://bucket/folder` or a path. Sends no request and makes no
    /// folder.
    ///
    /// # Errors
    /// [`StoreError`] for a location or settings that make no sense; plain `http://` is for this
    /// machine unless `allow_http`.
    pub fn open(location: &str, s3: &S3, allow_http: bool) -> Result<Store, StoreError> {
        match Location::parse(location)? {
            Location::Folder(folder) => Ok(Store {
                objects: Arc::new(LocalFileSystem::new().with_fsync(true)),
                bucket: None,
                folder: Path::from_absolute_path(absolute(folder)?).map_err(object_store::Error::from)?,
                _tokens: None,
            }),
            Location::Bucket { bucket, folder } => {
                let (s3, tokens) = s3.prepared()?;
                let is_here = check_endpoint(s3.endpoint.as_deref(), allow_http)?;
                let client = reqwest::Client::builder()
                    .tls_backend_preconfigured(process::tls::client()?)
                    .connect_timeout(Duration::from_secs(5))
                    .read_timeout(Duration::from_secs(30));
                let client = if is_here { client.no_proxy() } else { client };
                let store = builder(&s3, 3)
                    .with_bucket_name(bucket)
                    .with_allow_http(true)
                    .with_http_connector(Connector(client.build()?))
                    .build()?;
                let store = Arc::new(store);
                Ok(Store {
                    objects: store.clone(),
                    bucket: Some(store),
                    folder: Path::from(folder),
                    _tokens: Some(tokens),
                })
            }
        }
    }

    /// Begins an object; see [`Upload`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create(&self, name: &str) -> Result<Upload, StoreError> {
        let upload = self.objects.put_multipart(&self.path(name)).await?;
        Ok(Upload::new(upload))
    }

    /// Begins to read an object.
    ///
    /// # Errors
    /// [`StoreError`]; see [`StoreError::is_not_found`].
    pub async fn read(&self, name: &str) -> Result<Content, StoreError> {
        let found = self.objects.get(&self.path(name)).await?;
        Ok(Content {
            size: found.meta.size,
            body: found.into_stream().map_err(StoreError::from).boxed(),
        })
    }

    /// An address that gives its holder an object of a bucket for a while; `None` for a folder.
    ///
    /// # Errors
    /// [`StoreError`] when no credentials can be had.
    pub async fn signed_url(&self, name: &str, valid: Duration) -> Result<Option<String>, StoreError> {
        let Some(bucket) = &self.bucket else {
            return Ok(None);
        };
        let url = bucket.signed_url(Method::GET, &self.path(name), valid).await?;
        Ok(Some(url.into()))
    }

    /// Removes the objects that were last written before `age` ago; returns how many.
    ///
    /// # Errors
    /// [`StoreError`]; objects may have been removed before.
    pub async fn remove_older(&self, age: Duration) -> Result<u64, StoreError> {
        let since = SystemTime::now()
            .checked_sub(age)
            .unwrap_or(SystemTime::UNIX_EPOCH);
        let mut removed = 0;
        let mut listed = self.objects.list(Some(&self.folder));
        while let Some(meta) = listed.next().await {
            let meta = match meta {
                Err(object_store::Error::NotFound { .. }) => continue,
                meta => meta?,
            };
            if SystemTime::from(meta.last_modified) < since {
                match self.objects.delete(&meta.location).await {
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => removed += 1,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        if self.bucket.is_none() {
            removed += self.remove_staged(since).await?;
        }
        Ok(removed)
    }

    /// Files that a killed process left unfinished, which no list shows: `name#1`.
    async fn remove_staged(&self, since: SystemTime) -> Result<u64, StoreError> {
        let mut removed = 0;
        let folder = format!("/{}", self.folder);
        let mut files = match tokio::fs::read_dir(folder).await {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            files => files?,
        };
        while let Some(file) = files.next_entry().await? {
            let name = file.file_name();
            let is_staged =
                name.to_str()
                    .and_then(|name| name.rsplit_once('#'))
                    .is_some_and(|(_, number)| {
                        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
                    });
            if is_staged && file.metadata().await?.modified()? < since {
                tokio::fs::remove_file(file.path()).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn path(&self, name: &str) -> Path {
        self.folder.clone().join(name)
    }
}

/// Whether the endpoint, an address by now, is on this machine.
fn check_endpoint(endpoint: Option<&str>, allow_http: bool) -> Result<bool, StoreError> {
    let Some(url) = endpoint.and_then(|text| Url::parse(text).ok()) else {
        return Ok(false);
    };
    let is_here = is_this_machine(&url);
    if url.scheme() == "http" && !is_here && !allow_http {
        return Err(StoreError::Endpoint(
            "http:// is for this machine only; use https://, or allow it",
        ));
    }
    Ok(is_here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_for_this_machine() {
        for (endpoint, allowed, expected) in [
            (None, false, Some(false)),
            (Some("http://127.0.0.1:9000"), false, Some(true)),
            (Some("http://[::1]:9000"), false, Some(true)),
            (Some("http://minio:9000"), false, None),
            (Some("http://minio:9000"), true, Some(false)),
            (Some("https://s3.example.com"), false, Some(false)),
        ] {
            assert_eq!(check_endpoint(endpoint, allowed).ok(), expected, "{endpoint:?}");
        }
    }

    #[tokio::test]
    async fn an_object_of_a_folder_is_there_once_it_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("exports");
        let store = Store::open(place.to_str().unwrap(), &S3::default(), false).unwrap();

        let mut upload = store.create("a.csv").await.unwrap();
        upload.write(b"one,").await.unwrap();
        assert!(store.read("a.csv").await.err().unwrap().is_not_found());
        upload.write(&vec![b'x'; 20 << 20]).await.unwrap();
        upload.finish().await.unwrap();

        let content = store.read("a.csv").await.unwrap();
        assert_eq!(content.size, 4 + (20 << 20));
        let pieces: Vec<Bytes> = content.body.try_collect().await.unwrap();
        assert!(pieces.concat().starts_with(b"one,xxx"));
        assert!(
            store
                .signed_url("a.csv", Duration::from_secs(1))
                .await
                .unwrap()
                .is_none()
        );
    }

    #[tokio::test]
    async fn what_is_dropped_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_str().unwrap(), &S3::default(), false).unwrap();
        let mut upload = store.create("b.csv").await.unwrap();
        upload.write(&vec![b'x'; 9 << 20]).await.unwrap();

        drop(upload);

        for _ in 0..200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            if std::fs::read_dir(folder.path()).unwrap().count() == 0 {
                return;
            }
        }
        panic!(
            "{:?}",
            std::fs::read_dir(folder.path()).unwrap().collect::<Vec<_>>()
        );
    }

    #[tokio::test]
    async fn old_objects_and_unfinished_files_go() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_str().unwrap(), &S3::default(), false).unwrap();
        let old = SystemTime::now() - Duration::from_secs(3_600);
        for name in ["old.csv", "new.csv", "killed.csv#1", "running.csv#1"] {
            let file = std::fs::File::create(folder.path().join(name)).unwrap();
            if name.starts_with("old") || name.starts_with("killed") {
                file.set_modified(old).unwrap();
            }
        }

        let removed = store.remove_older(Duration::from_secs(60)).await.unwrap();

        let mut left: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|file| file.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(removed, 2);
        assert_eq!(left, ["new.csv", "running.csv#1"]);
        let nowhere = Store::open(folder.path().join("no").to_str().unwrap(), &S3::default(), false).unwrap();
        assert_eq!(nowhere.remove_older(Duration::ZERO).await.unwrap(), 0);
    }
}
