//! Whatever was edited and wherever one goes: a version always has the same rows.

use std::collections::BTreeMap;

use database::rows::{ApiKey, ApiKeyRow, Attempt, ProductRow, PromotionRow};
use database::schema::{api_keys, products, promotions};
use database_load::{Outcome, Target};
use diesel::{QueryDsl as _, SelectableHelper as _};
use diesel_async::RunQueryDsl;
use proptest::prelude::*;
use proptest::sample::subsequence;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use shop::{Product, Promotion};
use test_support::{TestDatabase, scaled};

use crate::fixture::{Data, dataset_rows, rollback, run_time_rows};

/// A catalogue, users with keys, promotions and codes; each of few kinds, so that they meet again.
#[derive(Clone, Debug)]
struct Shop {
    products: Vec<(u8, u8, bool)>,
    users: Vec<(u8, u8)>,
    keys: Vec<(u8, u8)>,
    promotions: Vec<(u8, u8, Option<u8>)>,
    codes: Vec<u8>,
}

prop_compose! {
    fn shop()(
        products in subsequence((1..=6).collect::<Vec<u8>>(), 1..=6),
        prices in prop::array::uniform6((0_u8..4, any::<bool>())),
        users in subsequence(vec![1, 2, 3], 1..=3),
        addresses in Just(vec![1_u8, 2, 3]).prop_shuffle(),
        keys in subsequence(vec![1, 2, 3], 0..=3),
        promotions in subsequence((1..=4).collect::<Vec<u8>>(), 1..=4),
        values in prop::array::uniform4((1_u8..4, prop::option::of(0_u8..3))),
        codes in subsequence((1..=5).collect::<Vec<u8>>(), 1..=5),
    ) -> Shop {
        Shop {
            products: products.into_iter().zip(prices).map(|(id, (price, image))| (id, price, image)).collect(),
            keys: keys.into_iter().map(|key| (key, users[usize::from(key) % users.len()])).collect(),
            users: users.into_iter().zip(addresses).collect(),
            promotions: promotions.into_iter().zip(values).map(|(code, (value, uses))| (code, value, uses)).collect(),
            codes,
        }
    }
}

fn uuid(kind: char, number: u8) -> String {
    format!("00000000-0000-4000-8000-{kind}{number:011}")
}

impl Shop {
    fn write(&self, data: &Data) {
        let mut files: BTreeMap<&str, String> = BTreeMap::new();
        files.insert("default.toml", test_support::PROFILE.into());
        let mut text = "id,name,price,category,image_thumbnail,image_desktop\n".to_owned();
        for (id, price, image) in &self.products {
            let image = ["", "x.jpg"].map(|name| if *image { name } else { "" }).join(",");
            text += &format!("{id},Dish {price},{price}.50,Food,{image}\n");
        }
        files.insert("products.csv", text);
        let mut text = "id,email,name,role\n".to_owned();
        for (id, address) in &self.users {
            text += &format!(
                "{},user{address}@example.com,User {address},staff\n",
                uuid('a', *id)
            );
        }
        files.insert("users.csv", text);
        let mut text = "id,key,user,scopes\n".to_owned();
        for (id, user) in &self.keys {
            text += &format!("{},key-{id},{},create_order\n", uuid('b', *id), uuid('a', *user));
        }
        files.insert("keys.csv", text);
        let mut text = "code,kind,value,max_uses\n".to_owned();
        for (code, value, uses) in &self.promotions {
            let uses = uses.map(|uses| uses.to_string()).unwrap_or_default();
            text += &format!("PROMO{code},fixed,{value},{uses}\n");
        }
        files.insert("promotions.csv", text);
        files.insert(
            "codes.txt",
            self.codes.iter().map(|code| format!("CODE{code:05}\n")).collect(),
        );
        for (name, text) in files {
            data.write(name, text);
        }
    }
}

/// Rows that are active; those that were retired say only that they were there once.
fn active_data(rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    rows.into_iter()
        .filter(|row| row.last().is_none_or(|last| last != "f"))
        .collect()
}

/// Reads the active rows as the API does.
async fn all_rows_are_served(database: &TestDatabase) {
    let mut connection = database.database().connect_diesel().await.unwrap();
    let rows: Vec<Attempt<ProductRow>> = products::table
        .select(Attempt::<ProductRow>::as_select())
        .filter(products::available)
        .load(&mut connection)
        .await
        .unwrap();
    assert!(!rows.is_empty());
    for row in rows {
        let _ = row.served::<Product>().unwrap();
    }
    let rows: Vec<Attempt<PromotionRow>> = promotions::table
        .select(Attempt::<PromotionRow>::as_select())
        .filter(promotions::active)
        .load(&mut connection)
        .await
        .unwrap();
    for row in rows {
        let _ = row.served::<Promotion>().unwrap();
    }
    let rows: Vec<Attempt<ApiKeyRow>> = api_keys::table
        .select(Attempt::<ApiKeyRow>::as_select())
        .load(&mut connection)
        .await
        .unwrap();
    for row in rows {
        let _ = row.served::<ApiKey>().unwrap();
    }
}

#[tokio::test]
async fn rolling_back_and_forward_over_random_edits_ends_in_the_same_rows() {
    let mut runner = TestRunner::default();
    for _ in 0..scaled(60) {
        let (database, data) = (TestDatabase::migrated().await, Data::copy());
        let shops = prop::collection::vec(shop(), 3..6)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let mut versions = Vec::new();
        for shop in &shops {
            shop.write(&data);
            // Random data shrink and repeat each other.
            let run = data.force(&database).await.profiles.remove(0);
            assert_eq!(run.outcome, Outcome::Changed);
            all_rows_are_served(&database).await;
            versions.push((run.version.unwrap(), active_data(dataset_rows(&database).await)));
        }
        let random = "UPDATE api_keys SET revoked_at = now() WHERE random() < 0.5;
                      UPDATE promotion_uses SET uses = (random() * 9)::bigint";
        TestDatabase::execute(&database, random).await;
        let (last, of_run_time) = (dataset_rows(&database).await, run_time_rows(&database).await);

        let steps = prop::collection::vec(0..versions.len(), 6)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        for step in steps {
            let (version, rows) = &versions[step];
            rollback(&database, Target::Version(*version)).await;
            all_rows_are_served(&database).await;
            assert_eq!(
                active_data(dataset_rows(&database).await),
                *rows,
                "version {version} of {shops:#?}"
            );
            assert_eq!(
                run_time_rows(&database).await,
                of_run_time,
                "version {version} of {shops:#?}"
            );
        }

        // Retired rows too are as the last version left them: nothing else was ever written there.
        rollback(&database, Target::Version(versions.last().unwrap().0)).await;
        assert_eq!(
            active_data(dataset_rows(&database).await),
            active_data(last),
            "{shops:#?}"
        );
    }
}
