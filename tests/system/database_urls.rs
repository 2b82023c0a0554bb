//! Addresses of the database as operators mistype them and as clusters set them, for each program.

use test_support::{Data, TestDatabase, json_lines};

use crate::pod::{ALL, API, LOAD, MIGRATION, Pod};

/// The last line of a program that ended with this code.
async fn last_line(pod: &Pod, program: &str, code: i32) -> String {
    let output = pod.run(program, &[]).await;
    assert_eq!(output.code, Some(code), "{program}: {}", output.stderr);
    output.stderr.lines().last().unwrap().to_owned()
}

#[tokio::test]
async fn a_password_that_is_not_encoded_is_refused_and_nothing_of_it_is_shown() {
    for password in [
        "Sommer@Geheim2026",
        "Sommer/Geheim2026",
        "Sommer?Geheim2026",
        "Sommer%Geheim2026",
    ] {
        let url = format!("postgres://app:{password}@127.0.0.1:1/food");
        for program in ALL {
            let output = Pod::at(&url).run(program, &[]).await;
            assert_eq!(output.code, Some(2), "{program}: {}", output.stderr);
            output.assert_stderr("percent-encode the password");
            assert!(
                !output.stderr.contains("Geheim") && !output.stderr.contains("Sommer"),
                "{}",
                output.stderr
            );
        }
    }
}

#[tokio::test]
async fn what_services_and_linked_containers_set_is_not_read_beside_a_url() {
    let database = TestDatabase::migrated().await;
    let pod = Pod::on(&database)
        .with("DB_PORT", "tcp://10.96.0.10:5432")
        .with("DB_NAME", "/shop/db")
        .with("DB_PORT_5432_TCP", "tcp://10.96.0.10:5432")
        .with("ORDER_FOOD_PORT", "tcp://10.96.0.11:8080")
        .with("CONSOLE_PORT", "tcp://10.96.0.13:8081")
        .with("DATABASE_PORT", "tcp://10.96.0.12:5432");
    let api = pod.bring_up().await;
    assert_eq!(api.stop().await.code, Some(0));

    let parts = pod.with("DATABASE_URL", "").with("DB_HOST", "127.0.0.1");
    for program in ALL {
        let line = last_line(&parts, program, 2).await;
        assert!(
            line.contains("DB_PORT: `tcp://10.96.0.10:5432` is not a whole number"),
            "{line}"
        );
        assert!(line.contains("it looks like the address of a Service"), "{line}");
        let line = last_line(&parts.clone().with("DB_PORT", "5432"), program, 2).await;
        assert!(
            line.contains("DB_NAME: `/shop/db` looks like what docker sets"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn line_breaks_blanks_and_marks_around_an_address_are_cut() {
    let database = TestDatabase::empty().await;
    let folder = Data::scratch();
    let url = database.url();
    for (index, text) in [
        format!("{url}\n\n"),
        format!("{url} "),
        format!("\u{feff}{url}\r\n"),
        format!("{url}?sslmode=prefer\n"),
    ]
    .iter()
    .enumerate()
    {
        Pod::at(text).migrate().await;
        let file = folder.write(&format!("url-{index}"), text);
        let pod = Pod::at("").with("DATABASE_URL_FILE", file);
        pod.migrate().await;
    }
    let empty = folder.write("empty", "\n");
    let broken = folder.write("broken", &url.replace("/test_", "\n/test_"));
    for program in ALL {
        let line = last_line(&Pod::at("").with("DATABASE_URL_FILE", &empty), program, 2).await;
        assert!(
            line.contains("DATABASE_URL_FILE") && line.contains("is empty"),
            "{line}"
        );
        let line = last_line(&Pod::at("").with("DATABASE_URL_FILE", &broken), program, 2).await;
        assert!(line.contains("holds a line break"), "{line}");
    }
}

#[tokio::test]
async fn every_host_of_a_url_is_named() {
    let pod = Pod::at("postgres://app@127.0.0.1:1,127.0.0.1:2/food").with("WAIT_TIMEOUT", "0");
    for (program, arguments) in [
        (MIGRATION, &["--wait-timeout", "0s"][..]),
        (LOAD, &["--wait-timeout", "0s"]),
        (API, &[]),
    ] {
        let output = pod.run(program, arguments).await;
        assert_eq!(output.code, Some(3), "{program}: {}", output.stderr);
        let line = output.stderr.lines().last().unwrap();
        assert!(line.contains("127.0.0.1:1,127.0.0.1:2/food"), "{program}: {line}");
    }
}

#[tokio::test]
async fn a_database_that_is_not_utf8_is_refused_with_its_encoding() {
    let database = TestDatabase::empty().await.as_superuser();
    let name = format!("{}_ascii", database.name());
    database
        .execute(&format!(
            "CREATE DATABASE {name} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
        ))
        .await;
    let pod = Pod::at(&database.url().replace(database.name(), &name));

    for (program, code) in ALL.into_iter().zip([9, 9, 2]) {
        let line = last_line(&pod, program, code).await;
        assert!(
            line.contains("has the encoding SQL_ASCII, and UTF8 is needed"),
            "{line}"
        );
    }
    database.execute(&format!("DROP DATABASE {name}")).await;
}

#[tokio::test]
async fn parameters_that_change_nothing_are_one_warning() {
    let database = TestDatabase::empty().await;
    let url = format!(
        "{}?pgbouncer=true&connection_limit=1&schema=public",
        database.url()
    );

    let output = Pod::at(&url).migrate().await;

    let warnings: Vec<String> = json_lines(&output.stderr)
        .iter()
        .filter(|line| line["level"] == "WARN")
        .map(|line| line["message"].as_str().unwrap().to_owned())
        .collect();
    let warning = "parameters of the URL that change nothing here are ignored: \
                   DATABASE_URL: pgbouncer, connection_limit, schema";
    assert_eq!(warnings, [warning]);
}
