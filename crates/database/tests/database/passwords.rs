//! Tests of passwords: rotated, missing, and with any character.

use database::{ConnectError, Database, Settings};
use test_support::Cluster;

use crate::connect::is_refused_at_once;
use crate::{as_admin, database, file};

#[tokio::test]
async fn a_rotated_password_is_read_from_its_file_for_each_new_connection() {
    as_admin("CREATE ROLE rotating LOGIN PASSWORD 'first'").await;
    let file = file("first\n");
    let settings = Settings {
        host: Some("127.0.0.1".into()),
        port: Some(Cluster::shared().port().into()),
        user: Some("rotating".into()),
        password_file: Some(file.path().into()),
        name: Some("postgres".into()),
        ..Settings::default()
    };
    let database = database(&settings);
    let old = database.connect().await.unwrap();

    as_admin("ALTER ROLE rotating PASSWORD 'second'").await;
    let before = database.connect().await;
    std::fs::write(&file, "second\r\n").unwrap();
    let after = database.connect().await;

    assert!(matches!(before, Err(ConnectError::Refused { .. })), "{before:?}");
    after.unwrap();
    old.simple_query("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn a_url_without_a_password_is_completed_by_a_file_that_is_read_for_each_connection() {
    as_admin("CREATE ROLE completed LOGIN PASSWORD 'first'").await;
    let file = file("first\n");
    let url = format!(
        "postgres://completed@127.0.0.1:{}/postgres",
        Cluster::shared().port()
    );
    let settings = Settings {
        password_file: Some(file.path().into()),
        ..test_support::settings(&url)
    };
    let of_its_own = Settings {
        password: Some("hunter2".to_owned().into()),
        ..test_support::settings(&url.replace('@', ":second@"))
    };
    let direct = Settings {
        direct_url: Some(url.clone().into()),
        ..settings.clone()
    };
    let (pooled, direct) = (database(&settings), Database::direct(&direct, "test").unwrap());
    pooled.connect().await.unwrap();

    as_admin("ALTER ROLE completed PASSWORD 'second'").await;
    std::fs::write(&file, "second\n").unwrap();

    pooled.connect().await.unwrap();
    direct.connect().await.unwrap();
    // The password in the URL goes before the other one.
    database(&of_its_own).connect().await.unwrap();
}

#[tokio::test]
async fn a_password_that_begins_or_ends_with_a_blank_is_kept_and_named_when_it_is_wrong() {
    let file = file("hunter2 \n");
    let settings = Settings {
        host: Some("127.0.0.1".into()),
        port: Some(Cluster::shared().port().into()),
        password_file: Some(file.path().into()),
        ..Settings::default()
    };

    is_refused_at_once(&settings, "(the password begins or ends with a blank)").await;
}

#[tokio::test]
async fn a_password_file_that_is_missing_is_a_setting_that_is_named() {
    let settings = Settings {
        host: Some("127.0.0.1".into()),
        password_file: Some("/nowhere/password".into()),
        ..Settings::default()
    };

    let said = Database::new(&settings, "test").err().unwrap().to_string();

    assert!(
        said.starts_with("DB_PASSWORD_FILE: cannot read /nowhere/password: "),
        "{said}"
    );
}

#[tokio::test]
async fn a_password_may_hold_any_character() {
    let password = "p@ss:w/rd?#%25 ü'";
    as_admin(&format!(
        "CREATE ROLE \"odd name\" LOGIN PASSWORD '{}'",
        password.replace('\'', "''")
    ))
    .await;
    let port = Cluster::shared().port();
    let encoded = "p%40ss%3Aw%2Frd%3F%23%2525%20%C3%BC%27";
    let url = format!("postgresql://odd%20name:{encoded}@127.0.0.1:{port}/postgres");
    let parts = Settings {
        host: Some("127.0.0.1".into()),
        port: Some(port.into()),
        user: Some("odd name".into()),
        password: Some(password.to_owned().into()),
        name: Some("postgres".into()),
        ..Settings::default()
    };

    for settings in [test_support::settings(&url), parts] {
        let client = database(&settings).connect().await.unwrap();
        let user: String = client
            .query_one("SELECT current_user::text", &[])
            .await
            .unwrap()
            .get(0);
        assert_eq!(user, "odd name");
    }
}
