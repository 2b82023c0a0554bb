//! A bucket of a real S3 server on this machine.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what fails in a test's helper is a failed test"
)]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use objects::{S3, Store};
use reqwest::{Client, StatusCode};

fn client() -> Client {
    let builder = Client::builder().tls_backend_preconfigured(process::tls::client().unwrap());
    builder.no_proxy().build().unwrap()
}

/// Ended when it is dropped.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    /// Starts moto, which `scripts/tools.sh` installs if need be.
    async fn start() -> Server {
        let tools = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/tools.sh");
        let found = Command::new(tools)
            .arg("moto")
            .output()
            .expect("run scripts/tools.sh");
        assert!(
            found.status.success(),
            "{}",
            String::from_utf8_lossy(&found.stderr)
        );
        let program = String::from_utf8(found.stdout).unwrap();
        let mut process = Command::new(program.trim())
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start moto");
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| Some(line.split_once("Running on ")?.1.trim().to_owned()))
            .expect("the address in what moto says");
        // What it says later would fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let server = Server { process, address };
        let made = client().put(server.url("/reports")).send().await.unwrap();
        assert_eq!(made.status(), StatusCode::OK);
        server
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    fn store(&self, location: &str) -> Store {
        let s3 = S3 {
            endpoint: Some(self.address.clone()),
            access_key_id: Some("key".to_owned().into()),
            secret_access_key: Some("secret".to_owned().into()),
            ..S3::default()
        };
        Store::open(location, &s3, false).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn an_object_of_several_parts_is_written_signed_read_and_removed() {
    let server = Server::start().await;
    let store = server.store("s3://reports/exports");

    let mut upload = store.create("a b.csv").await.unwrap();
    let mut expected = Vec::new();
    for number in 0..40_u8 {
        let piece = vec![number; 512 << 10];
        upload.write(&piece).await.unwrap();
        expected.extend(piece);
    }
    assert!(store.read("a b.csv").await.err().unwrap().is_not_found());
    upload.finish().await.unwrap();

    let content = store.read("a b.csv").await.unwrap();
    assert_eq!(content.size, expected.len() as u64);
    let pieces: Vec<Bytes> = content.body.try_collect().await.unwrap();
    assert!(pieces.concat() == expected, "other bytes");

    let signed = store
        .signed_url("a b.csv", Duration::from_secs(300))
        .await
        .unwrap()
        .unwrap();
    assert!(
        signed.starts_with(&server.url("/reports/exports/a%20b.csv?")),
        "{signed}"
    );
    for part in ["X-Amz-Expires=300", "X-Amz-Signature="] {
        assert!(signed.contains(part), "{signed}");
    }
    let fetched = client().get(signed).send().await.unwrap();
    assert_eq!(fetched.status(), StatusCode::OK);
    assert!(fetched.bytes().await.unwrap() == expected, "other bytes");

    assert_eq!(store.remove_older(Duration::from_secs(3_600)).await.unwrap(), 0);
    assert_eq!(
        server
            .store("s3://reports/other")
            .remove_older(Duration::ZERO)
            .await
            .unwrap(),
        0
    );
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(store.remove_older(Duration::ZERO).await.unwrap(), 1);
    assert!(store.read("a b.csv").await.err().unwrap().is_not_found());
}

#[tokio::test]
async fn an_upload_that_is_given_up_leaves_no_object() {
    let server = Server::start().await;
    let store = server.store("s3://reports");
    let mut upload = store.create("half.csv").await.unwrap();
    upload.write(&vec![1; 20 << 20]).await.unwrap();

    drop(upload);

    let uploads = async || {
        let listed = client().get(server.url("/reports?uploads")).send().await.unwrap();
        listed.text().await.unwrap()
    };
    for _ in 0..200 {
        if !uploads().await.contains("half.csv") {
            assert!(store.read("half.csv").await.err().unwrap().is_not_found());
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{}", uploads().await);
}
