//! Bare actix-web: two resources from ready bytes, no middleware, no headers but the content type.

use std::path::PathBuf;

use actix_web::{App, HttpResponse, HttpServer, web};
use bytes::Bytes;
use clap::Parser;

#[derive(Parser)]
struct Arguments {
    /// TCP port on 127.0.0.1
    port: u16,
    /// File with the body of GET /api/product
    list: PathBuf,
    /// File with the body of GET /api/product/1
    one: PathBuf,
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let list = Bytes::from(std::fs::read(arguments.list)?);
    let one = Bytes::from(std::fs::read(arguments.one)?);
    HttpServer::new(move || {
        App::new()
            .route("/api/product", ready(&list))
            .route("/api/product/1", ready(&one))
    })
    .bind(("127.0.0.1", arguments.port))?
    .run()
    .await
}

fn ready(bytes: &Bytes) -> actix_web::Route {
    let bytes = bytes.clone();
    web::get().to(move || {
        let bytes = bytes.clone();
        async move { HttpResponse::Ok().content_type("application/json").body(bytes) }
    })
}
