//! Pictures of products, as an object and as columns.

use serde_json::Value;

use crate::spreadsheets::products;

/// The first two products of the list that the challenge gives, as it stands there.
const CHALLENGE: &str = r#"[
  {
    "id": "1",
    "image": {
      "thumbnail": "https://orderfoodonline.deno.dev/public/images/image-waffle-thumbnail.jpg",
      "mobile": "https://orderfoodonline.deno.dev/public/images/image-waffle-mobile.jpg",
      "tablet": "https://orderfoodonline.deno.dev/public/images/image-waffle-tablet.jpg",
      "desktop": "https://orderfoodonline.deno.dev/public/images/image-waffle-desktop.jpg"
    },
    "name": "Waffle with Berries",
    "category": "Waffle",
    "price": 6.5
  },
  {
    "id": "2",
    "image": {
      "thumbnail": "https://orderfoodonline.deno.dev/public/images/image-creme-brulee-thumbnail.jpg",
      "mobile": "https://orderfoodonline.deno.dev/public/images/image-creme-brulee-mobile.jpg",
      "tablet": "https://orderfoodonline.deno.dev/public/images/image-creme-brulee-tablet.jpg",
      "desktop": "https://orderfoodonline.deno.dev/public/images/image-creme-brulee-desktop.jpg"
    },
    "name": "Vanilla Bean Crème Brûlée",
    "category": "Crème Brûlée",
    "price": 7
  }
]"#;

#[tokio::test]
async fn the_list_of_the_challenge_is_loaded_as_it_stands() {
    let read = products("menu.json", CHALLENGE.as_bytes()).await.unwrap();

    let written: Vec<Value> = serde_json::from_str(CHALLENGE).unwrap();
    for (read, written) in read.iter().zip(&written) {
        assert_eq!(read["image"], written["image"]);
        assert_eq!(read["name"], written["name"]);
        assert_eq!(read["price"].as_f64(), written["price"].as_f64());
    }
    assert_eq!(read.len(), written.len());
}

#[tokio::test]
async fn pictures_come_as_an_object_or_as_columns_in_any_number_of_sizes() {
    let product = r#"{"id": "1", "name": "Waffle with Berries", "category": "Waffle", "price": 6.5"#;
    for (image, stored) in [
        (
            r#", "image": {"thumbnail": "t", "mobile": "m", "tablet": "b", "desktop": "d"}"#,
            4,
        ),
        (r#", "image": {"thumbnail": "t"}"#, 1),
        (r#", "image": {"thumbnail": null, "desktop": "d"}"#, 1),
        (r#", "image": {"thumbnail": "t"}, "image_mobile": "m""#, 2),
        (r#", "image_desktop": "d""#, 1),
        (r#", "image": {}"#, 0),
        (r#", "image": null"#, 0),
        ("", 0),
    ] {
        for (file, text) in [
            ("menu.json", format!("[{product}{image}}}]")),
            ("menu.jsonl", format!("{product}{image}}}")),
        ] {
            let row = products(file, text.as_bytes()).await.unwrap().remove(0);
            assert_eq!(
                row["image"].as_object().map_or(0, |image| image.len()),
                stored,
                "{text}: {row}"
            );
        }
    }
    for (image, says) in [
        (
            r#"{"poster": "p"}"#,
            "column image_poster: is no column of this table",
        ),
        (
            r#"{"mobile": "m", "mobile": "n"}"#,
            "column image_mobile: stands there twice",
        ),
        (
            r#"{"mobile": "m"}, "image_mobile": "n""#,
            "column image_mobile: stands there twice",
        ),
        (
            r#"{"mobile": "m"}, "image": {"tablet": "b"}"#,
            "column image: stands there twice",
        ),
        (
            r#"null, "image": {"tablet": "b"}"#,
            "column image: stands there twice",
        ),
        (
            r#"{"mobile": " m"}"#,
            "column image_mobile, value \" m\": has blanks",
        ),
        (
            r#"{"mobile": ["m"]}"#,
            "column image_mobile, value \"[\\\"m\\\"]\": is neither a text nor a number",
        ),
        (
            r#""m""#,
            "column image, value \"\\\"m\\\"\": is not a JSON object",
        ),
        (
            r#"["m"]"#,
            "column image, value \"[\\\"m\\\"]\": is not a JSON object",
        ),
    ] {
        let said = products(
            "menu.jsonl",
            format!("{product}, \"image\": {image}}}").as_bytes(),
        )
        .await
        .expect_err(says);
        assert!(said.contains(says), "{says}\n{said}");
    }
}

#[tokio::test]
async fn addresses_of_pictures_are_of_the_web_or_paths_in_every_format() {
    let says = |column: &str, address: &str| {
        format!("column {column}, value {address:?}: is neither an http or https address nor a path")
    };
    for (address, taken) in [
        ("https://example.com/w.jpg", true),
        ("http://example.com/w.jpg", true),
        ("//example.com/w.jpg", true),
        ("/w.jpg", true),
        ("javascript:alert(1)", false),
        ("JavaScript:alert(1)", false),
        ("data:image/png;base64,AAAA", false),
        ("file:///w.jpg", false),
        ("https:///w.jpg", false),
    ] {
        for size in ["thumbnail", "mobile", "tablet", "desktop"] {
            let column = format!("image_{size}");
            let product = r#""id": 1, "name": "Tea", "price": 1, "category": "Drinks""#;
            for (file, text, place) in [
                (
                    "menu.csv",
                    format!("id,name,price,category,{column}\n1,Tea,1,Drinks,\"{address}\"\n"),
                    "menu.csv:2, ",
                ),
                (
                    "menu.json",
                    format!("[{{{product}, \"{column}\": \"{address}\"}}]"),
                    "menu.json:1, ",
                ),
                (
                    "menu.jsonl",
                    format!("{{{product}, \"image\": {{\"{size}\": \"{address}\"}}}}"),
                    "menu.jsonl:1, ",
                ),
            ] {
                match products(file, text.as_bytes()).await {
                    Ok(rows) => {
                        assert!(taken, "{text}");
                        assert_eq!(rows[0]["image"][size], address);
                    }
                    Err(said) => {
                        assert!(!taken, "{said}");
                        let expected = says(&column, address);
                        assert!(said.contains(&expected) && said.contains(place), "{said}");
                    }
                }
            }
        }
    }
}
