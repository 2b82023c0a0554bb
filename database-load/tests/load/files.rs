//! Folders and patterns stand for files, in a fixed order.

use database_load::Outcome;
use process::failure::ExitCode;
use test_support::TestDatabase;

use crate::fixture::{Data, findings, refused};
use crate::packing::{gzip, zstd};

/// A folder `menu` with five tables and what is none.
fn menu(source: &str) -> Data {
    let data = Data::copy();
    std::fs::create_dir_all(data.path("menu/old")).unwrap();
    let csv = |id: u32| format!("id,name,price,category\n{id},Tea {id},1.00,Drinks\n");
    let json = |id: u32| format!(r#"{{"id": "{id}", "name": "Tea {id}", "price": 1, "category": "Drinks"}}"#);
    // As Kubernetes mounts a ConfigMap.
    std::fs::create_dir(data.path("menu/..data")).unwrap();
    data.write("menu/..data/b.csv", csv(2));
    std::os::unix::fs::symlink("..data/b.csv", data.path("menu/b.csv")).unwrap();
    data.write("menu/a.csv.gz", gzip(csv(1)));
    data.write("menu/c.json", format!("[{}]", json(3)));
    data.write("menu/d.jsonl.zst", zstd(json(4)));
    data.write("menu/e[1].csv", csv(5));
    data.write("menu/old/f.csv", csv(6));
    data.write("menu/.hidden.csv", "no table");
    data.write("menu/README.md", "no table");
    data.bring_products(source);
    data
}

#[tokio::test]
async fn a_folder_and_a_pattern_stand_for_the_tables_in_them() {
    for (source, ids) in [
        ("\"menu\"", "1,2,3,4,5"),
        ("\"menu/\"", "1,2,3,4,5"),
        ("\"menu/*.csv\"", "2,5"),
        ("\"menu/*.csv*\"", "1,2,5"),
        ("\"menu/[cd].json*\"", "3,4"),
        ("\"menu/?.csv\"", "2"),
        ("\"menu/**/*.csv\"", "2,5,6"),
        ("\"menu/e[1].csv\"", "5"),
        ("\"menu/b.csv\", \"menu/old\"", "2,6"),
    ] {
        let (database, data) = (TestDatabase::migrated().await, menu(source));

        data.load(&database).await;

        let loaded = database
            .value("SELECT string_agg(id::text, ',' ORDER BY id) FROM products")
            .await;
        assert_eq!(loaded, ids, "{source}");
    }
}

#[tokio::test]
async fn a_file_that_joins_a_folder_is_news() {
    let (database, data) = (TestDatabase::migrated().await, menu("\"menu\""));
    data.load(&database).await;
    assert_eq!(data.load(&database).await.profiles[0].outcome, Outcome::Unchanged);
    data.write("menu/g.csv", "id,name,price,category\n7,Tea 7,1.00,Drinks\n");

    assert_eq!(data.load(&database).await.profiles[0].outcome, Outcome::Changed);

    assert_eq!(database.value("SELECT count(*) FROM products").await, "6");
}

#[tokio::test]
async fn files_are_read_by_name_so_that_the_first_of_two_rows_is_the_same_everywhere() {
    let (database, data) = (TestDatabase::migrated().await, menu("\"menu/*.csv*\""));
    data.write("menu/b.csv", "id,name,price,category\n1,Tea,1.00,Drinks\n");

    let failure = data.try_load(&database).await.unwrap_err();

    let found = findings(&failure);
    assert!(
        found.contains("menu/b.csv:2, column id, value \"1\": stands in menu/a.csv.gz:2 already"),
        "{found}"
    );
}

#[tokio::test]
async fn what_stands_for_no_table_exits_2() {
    let database = TestDatabase::migrated().await;
    for (source, says) in [
        ("\"none/*.csv\"", "matches no file"),
        ("\"menu/[.csv\"", "Pattern syntax error"),
        ("\"menu/***.csv\"", "Pattern syntax error"),
        ("\"menu/empty\"", "is a directory without a file that ends in"),
        ("\"menu/none\"", "No such file"),
        ("\"menu/README.md\"", "format = \"csv\""),
    ] {
        let data = menu(source);
        std::fs::create_dir(data.path("menu/empty")).unwrap();
        data.write("menu/empty/notes.txt", "");

        let failure = data.try_load(&database).await.expect_err(source);

        assert_eq!(failure.code, ExitCode::Usage, "{source}: {}", failure.line());
        assert!(failure.line().contains(says), "{source}: {}", failure.line());
    }
}

#[tokio::test]
async fn a_format_may_be_stated_where_the_name_has_none() {
    let source =
        "{ location = \"menu/table\", format = \"csv\" }, { location = \"menu/more\", format = \"jsonl\" }";
    let (database, data) = (TestDatabase::migrated().await, menu(source));
    data.write(
        "menu/table",
        gzip("id,name,price,category\n8,Tea 8,1.00,Drinks\n"),
    );
    std::fs::create_dir(data.path("menu/more")).unwrap();
    data.write(
        "menu/more/1",
        r#"{"id": "9", "name": "Tea", "price": 1, "category": "Drinks"}"#,
    );

    data.load(&database).await;

    let query = "SELECT string_agg(id::text, ',' ORDER BY id) FROM products";
    assert_eq!(database.value(query).await, "8,9");
}

#[tokio::test]
async fn coupon_files_of_a_folder_count_one_by_one() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    std::fs::create_dir(data.path("codes")).unwrap();
    data.write("codes/1.txt", "ONECODE1\nTWOCODES\n");
    data.write("codes/2.gz", gzip("TWOCODES\n"));
    data.write("codes/3.txt.zst", zstd("ONECODE1\n"));
    data.write(
        "default.toml",
        "[operations.coupon_codes]\nsources = [\"codes/\"]\nmin_files = 2\n",
    );

    data.load(&database).await;

    let codes = database.rows("SELECT code FROM coupon_codes ORDER BY code").await;
    assert_eq!(codes, [["ONECODE1"], ["TWOCODES"]]);
    data.write(
        "default.toml",
        "[operations.coupon_codes]\nsources = [\"codes/\"]\nmin_files = 4\n",
    );
    let failure = data.try_load(&database).await.unwrap_err();
    refused(&failure, ExitCode::Usage, "min_files");
}

#[tokio::test]
async fn a_stated_checksum_tells_large_files_apart_that_look_alike() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    let large = |price: &str| {
        format!(
            "id,name,price,category\n1,Tea,{price},Drinks\n{}",
            "\n".repeat(9 << 20)
        )
    };
    let write = |price: &str| {
        use sha2::Digest as _;
        let text = large(price);
        let sum = hex::encode(sha2::Sha256::digest(&text));
        data.write("menu.csv", text);
        let file = std::fs::File::options()
            .append(true)
            .open(data.path("menu.csv"))
            .unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        data.bring_products(&format!("{{ location = \"menu.csv\", sha256 = \"{sum}\" }}"));
    };
    write("2.50");
    data.load(&database).await;
    write("3.50");

    assert_eq!(data.load(&database).await.profiles[0].outcome, Outcome::Changed);

    assert_eq!(database.value("SELECT price FROM products").await, "3.50");
}
