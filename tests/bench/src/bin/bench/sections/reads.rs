//! Products, with all middleware on, against bare actix-web with the same bytes.

use crate::figures::{Subject, alternate};
use crate::load::Requests;
use crate::report::Report;
use crate::setup::Setup;

const CONNECTIONS: u64 = 64;

pub(crate) fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let database = setup.database("reads")?;
    let real = setup.order_food(&database)?;
    let bare = setup.bare(&real)?;
    let load = |server, path| setup.load(server, CONNECTIONS, Requests::Get(path, "apitest"));
    let series = alternate(
        "reads",
        setup.arguments.rounds,
        [
            Subject::new("bare actix-web, GET /api/product", || load(&bare, "/api/product")),
            Subject::new("order-food, GET /api/product", || load(&real, "/api/product")),
            Subject::new("bare actix-web, GET /api/product/1", || {
                load(&bare, "/api/product/1")
            }),
            Subject::new("order-food, GET /api/product/1", || load(&real, "/api/product/1")),
        ],
    )?;

    let [bare_list, list, bare_one, one] = &series;
    let bare = "bare actix-web";
    report.at_least(
        &format!("GET /api/product, 64 connections, against {bare}"),
        list.rate_through(bare_list),
        0.82,
        "×",
    );
    report.at_least(
        &format!("GET /api/product/1, 64 connections, against {bare}"),
        one.rate_through(bare_one),
        0.82,
        "×",
    );
    report.all_accepted("GET /api/product", list);
    report.all_accepted("GET /api/product/1", one);
    report.add(series);
    Ok(())
}
