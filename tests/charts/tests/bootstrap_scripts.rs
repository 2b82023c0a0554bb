//! `make bootstrap` and `make job ARGS=…`, with the real helm and a `kubectl` that records its
//! arguments.

use charts_tests::tool;

use crate::init_job_scripts::{Fake, Said};

/// The base, and three profiles of which `menu` needs `prices`.
const JOBS: &str = "order-food-bootstrap-base bootstrap-base
order-food-bootstrap-menu bootstrap-menu order-food-bootstrap-base,order-food-bootstrap-prices
order-food-bootstrap-prices bootstrap-prices order-food-bootstrap-base
order-food-bootstrap-zoo bootstrap-zoo order-food-bootstrap-base";

fn bootstrap(fake: &Fake, environment: &[(&str, &str)]) -> Said {
    let _ = tool("helm");
    let mut all = vec![("JOBS", JOBS), ("PROFILES", "base menu prices zoo")];
    all.retain(|(name, _)| environment.iter().all(|(other, _)| other != name));
    all.extend(environment);
    fake.run("deploy/bootstrap.sh", &[], &all)
}

/// The Jobs that were made, in this order.
fn made(fake: &Fake) -> Vec<String> {
    let calls = fake.calls();
    let made = calls.lines().filter(|line| line.contains(" create -f "));
    made.map(|line| line.rsplit_once("component=").unwrap().1.to_owned())
        .collect()
}

#[test]
fn jobs_run_after_those_that_they_need_and_may_run_again() {
    let fake = Fake::new("bootstrap-order");
    for round in 1..=2 {
        let said = bootstrap(&fake, &[]);
        assert_eq!(said.code, Some(0), "{}{}", said.out, said.error);
        let made = made(&fake);
        assert_eq!(made.len(), 4 * round, "{made:?}");
        let place = |name: &str| made.iter().position(|job| job == &format!("bootstrap-{name}"));
        assert_eq!(place("base"), Some(0), "{made:?}");
        assert!(place("prices") < place("menu"), "{made:?}");
        assert!(place("zoo").is_some(), "{made:?}");
    }
    // A Job of the round before is removed first.
    let calls = fake.calls();
    let delete = "delete job order-food-bootstrap-base --ignore-not-found --cascade=foreground";
    assert_eq!(calls.matches(delete).count(), 2, "{calls}");
}

#[test]
fn the_first_job_that_fails_ends_it_with_its_log_and_its_last_words() {
    let fake = Fake::new("bootstrap-fails");
    let fails = ("FAILS", "order-food-bootstrap-prices");
    let said = bootstrap(&fake, &[fails, ("OUTCOME", "Complete")]);
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert!(
        said.error.contains("error: order-food-bootstrap-prices failed"),
        "{}",
        said.error
    );
    assert!(said.out.contains("granted to order_food_app"), "{}", said.out);
    assert!(
        !made(&fake).contains(&"bootstrap-menu".to_owned()),
        "{:?}",
        made(&fake)
    );

    let fake = Fake::new("bootstrap-message");
    let said = bootstrap(&fake, &[("OUTCOME", "Failed")]);
    assert_eq!(made(&fake), ["bootstrap-base"]);
    let message = "job ended with 9: the schema is missing";
    assert!(said.error.contains(message), "{}", said.error);
}

#[test]
fn what_is_wrong_is_one_line_and_nothing_is_made() {
    let circle = "a bootstrap-a b\nb bootstrap-b a";
    for (name, environment, complaint) in [
        ("circle", ("JOBS", circle), "need each other in a circle"),
        (
            "secret",
            ("NO_SECRET", "1"),
            "there is no Secret order-food-database",
        ),
        (
            "keys",
            ("SECRETS", "one url\ntwo direct-url\ntwo url"),
            "generic two -n default --from-file=direct-url=FILE --from-file=url=FILE",
        ),
        ("key", ("KEYS", ""), "has no key url"),
        (
            "environment",
            ("ENVIRONMENT", "qa"),
            "expected an environment, dev, staging or prod",
        ),
    ] {
        let fake = Fake::new(&format!("bootstrap-{name}"));
        let two = ("ABSENT", "two");
        let said = bootstrap(&fake, &[environment, two]);
        assert_eq!(
            (said.code, said.error.lines().count()),
            (Some(1), 1),
            "{name}: {}",
            said.error
        );
        assert!(said.error.contains(complaint), "{name}: {}", said.error);
        assert_eq!(made(&fake), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn the_base_alone_is_the_schema_alone() {
    let fake = Fake::new("bootstrap-base");
    let base = JOBS.lines().next().unwrap();
    let said = bootstrap(&fake, &[("PROFILES", "base"), ("JOBS", base)]);
    assert_eq!(said.code, Some(0), "{}", said.error);
    assert_eq!(made(&fake), ["bootstrap-base"]);
    let asked = "-l order-food/bootstrap=step,app.kubernetes.io/component=bootstrap-base";
    assert!(fake.calls().contains(asked), "{}", fake.calls());
}

#[test]
fn values_may_leave_out_what_stands_beside_the_jobs_or_bring_the_url() {
    let fake = Fake::new("bootstrap-bare");
    let bare = "--set serviceAccount.create=false --set networkPolicy.enabled=false";
    let said = bootstrap(&fake, &[("BOOTSTRAP_ARGS", bare)]);
    assert_eq!(said.code, Some(0), "{}", said.error);
    assert!(!fake.calls().contains("apply"), "{}", fake.calls());

    let fake = Fake::new("bootstrap-inline");
    let url = ("BOOTSTRAP_ARGS", "--set database.url=postgres://food@db/food");
    let inline = ("SECRETS", "order-food-bootstrap-inline url");
    let said = bootstrap(&fake, &[url, inline, ("NO_SECRET", "1")]);
    assert_eq!(said.code, Some(0), "{}", said.error);
    assert!(fake.calls().contains("apply"), "{}", fake.calls());
}

#[test]
fn arguments_of_a_job_are_words_of_a_patch() {
    let fake = Fake::new("job-arguments");
    let arguments = ("ARGS", r#"rollback -p default --previous --note "x\"#);
    let said = fake.run("deploy/job.sh", &[], &[("JOB", "database-load"), arguments]);
    assert_eq!(said.code, Some(0), "{}", said.error);
    let calls = fake.calls();
    let expected = r#""value":["rollback","-p","default","--previous","--note","\"x\\"]"#;
    assert!(calls.contains(expected), "{calls}");
    assert!(
        calls.contains("create job --from=cronjob/database-load"),
        "{calls}"
    );
}
