//! The previous release on the schema and the data of this one: what a roll-back meets, and the old pods while the new ones
//! start. `scripts/previous-release.sh` builds it as soon as there is one; database-migration's own tests run earlier
//! schemas against the newest until then.

use std::path::PathBuf;

use test_support::{Output, Process, TestDatabase};

use crate::pod::{API, Api, LOAD, MIGRATION, Pod, lines};

const ORDER: &str = r#"{"items":[{"productId":"1","quantity":2}],"couponCode":"SAVE10"}"#;

/// The programs and the data of the previous release.
struct Release(PathBuf);

impl Release {
    /// None while nothing was released.
    fn previous() -> Option<Release> {
        let test = std::env::current_exe().expect("the path of the running test");
        let target = test
            .ancestors()
            .nth(3)
            .expect("a test lies in target/<profile>/deps");
        let folder = target.join("previous-release");
        folder.join("commit").is_file().then_some(Release(folder))
    }

    fn start(&self, program: &str, database: &TestDatabase) -> Process {
        let data = self.0.join("data");
        let environment = [
            ("DATABASE_URL", database.url()),
            ("DATA_DIR", data.to_str().expect("a path in UTF-8")),
            ("BIND_ADDRESS", "127.0.0.1"),
            ("PORT", "0"),
            ("HTTP_WORKERS", "1"),
            ("DRAIN_WAIT", "0"),
            ("LOG_FORMAT", "json"),
        ];
        Process::spawn(self.0.join("bin").join(program), [""; 0], &environment)
    }

    async fn run(&self, program: &str, database: &TestDatabase) -> Output {
        self.start(program, database).wait_output().await
    }

    async fn serve(&self, database: &TestDatabase) -> Api {
        let mut process = self.start(API, database);
        process.wait_for_text("\"listening\"").await;
        let said = process.said();
        let mut said = lines(&said).into_iter();
        let line = said.find(|line| line["message"] == "listening");
        let port = line.and_then(|line| line["port"].as_u64()).expect("a port");
        let port = port.try_into().expect("a port");
        let api = Api { process, port };
        api.becomes_ready().await;
        api
    }
}

#[tokio::test]
async fn the_previous_release_starts_on_the_newest_schema_and_takes_orders_unless_the_schema_says_no() {
    let Some(previous) = Release::previous() else {
        return;
    };
    let database = TestDatabase::migrated().await;
    let (_, api) = Pod::ready(&database).await;

    let migration = previous.run(MIGRATION, &database).await;
    if migration.code == Some(7) {
        let said = "and needs a build of version";
        assert!(migration.stderr.contains(said), "{}", migration.stderr);
        return;
    }
    assert_eq!(migration.code, Some(0), "{}", migration.stderr);
    let load = previous.run(LOAD, &database).await;
    assert_eq!(load.code, Some(0), "{}", load.stderr);
    let old = previous.serve(&database).await;

    for (taker, reader) in [(&old, &api), (&api, &old)] {
        let placed = taker.order(ORDER).await;
        assert_eq!(placed.status, 200, "{placed:?}");
        let path = format!("/api/order/{}", placed.member("id"));
        let read = reader.get_own(&path).await;
        assert_eq!(read.status, 200, "{read:?}");
    }
    assert_eq!(database.value("SELECT count(*) > 1 FROM orders").await, "t");
    assert_eq!(old.stop().await.code, Some(0));
}
