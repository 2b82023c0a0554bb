//! Tests of URLs: as providers print them, as people mistype them, and at random.

use proptest::prelude::*;
use tokio_postgres::config::{ChannelBinding, Host, TargetSessionAttrs};

use super::*;

fn parsed(url: &str) -> Address {
    Address::parse(url).unwrap_or_else(|problem| panic!("{url}: {problem}"))
}

fn refused(url: &str) -> String {
    match Address::parse(url) {
        Err(problem) => problem,
        Ok(_) => panic!("not refused: {url}"),
    }
}

/// A URL with this query.
fn with(query: &str) -> String {
    format!("postgres://app:geheim@db.example/food?{query}")
}

#[test]
fn urls_as_providers_print_them_are_taken() {
    // User, password, name, URL: of Heroku, Neon, Neon, Supabase (also as Prisma wants it), RDS,
    // Azure, Symfony's own, DigitalOcean (as Render and Railway), Fly.
    let table = "
        uabc p123 d1 postgres://uabc:p123@ec2-52-1-2-3.compute-1.amazonaws.com:5432/d1
        neondb_owner npg_Ab12 neondb postgresql://neondb_owner:npg_Ab12@ep-cool-1-pooler.us-east-2.aws.neon.tech/neondb?sslmode=require&channel_binding=require
        alex AbC123 dbname postgres://alex:AbC123@ep-cool-1.us-east-2.aws.neon.tech/dbname?sslmode=require&options=endpoint%3Dep-cool-1
        postgres.abcdef [YOUR-PASSWORD] postgres postgresql://postgres.abcdef:[YOUR-PASSWORD]@aws-0-eu-central-1.pooler.supabase.com:6543/postgres?pgbouncer=true&connection_limit=1
        admin pw food postgresql://admin:pw@food.abc.eu-west-1.rds.amazonaws.com:5432/food?sslmode=verify-full&sslrootcert=/etc/ssl/global-bundle.pem
        adm@server pw! postgres postgres://adm%40server:pw%21@server.postgres.database.azure.com:5432/postgres?sslmode=require
        app !ChangeMe! app postgresql://app:%21ChangeMe%21@127.0.0.1:5432/app?serverVersion=16&charset=utf8
        doadmin AVNS_x defaultdb postgresql://doadmin:AVNS_x@db-1.db.ondigitalocean.com:25060/defaultdb?sslmode=require
        postgres x app postgres://postgres:x@top2.nearest.of.app.internal:5432/app?sslmode=disable";
    let rows: Vec<[&str; 4]> = table
        .lines()
        .skip(1)
        .map(|row| row.split_whitespace().collect::<Vec<_>>().try_into().unwrap())
        .collect();

    for [user, password, name, url] in &rows {
        let config = parsed(url).config;
        assert_eq!(config.get_user(), Some(*user), "{url}");
        assert_eq!(config.get_password(), Some(password.as_bytes()), "{url}");
        assert_eq!(config.get_dbname(), Some(*name), "{url}");
    }
    assert_eq!(
        parsed(rows[1][3]).config.get_channel_binding(),
        ChannelBinding::Require
    );
    assert_eq!(
        parsed(rows[2][3]).config.get_options(),
        Some("endpoint=ep-cool-1")
    );
    assert_eq!(parsed(rows[3][3]).ignored, ["pgbouncer", "connection_limit"]);
    assert_eq!(
        parsed(rows[4][3]).tls.authorities.as_deref(),
        Some("/etc/ssl/global-bundle.pem")
    );
}

#[test]
fn raw_characters_of_a_password_are_taken_as_psql_takes_them_or_refused() {
    for password in [
        "So@mmer",
        "So/mmer",
        "So?mmer",
        "So%mmer",
        "@",
        "a@b@c",
        "a/b?c",
        "1?2",
        "9/8",
        "100%",
        "%zz",
        "a@b/c?d#e",
    ] {
        for host in [
            "db.example:5432/food",
            "db.example",
            "h1:1,h2:2/food?sslmode=require",
        ] {
            let problem = refused(&format!("postgres://app:{password}@{host}"));
            assert!(
                problem.contains("percent-encode the password"),
                "{password}: {problem}"
            );
            assert!(
                !problem.contains("mmer") && !problem.contains("app"),
                "{password}: {problem}"
            );
        }
    }
    for password in ["So:mmer", "So#mmer", "a b", "[x]", "ü", "a&b=c", "+"] {
        let config = parsed(&format!("postgres://app:{password}@db.example/food")).config;
        assert_eq!(config.get_password(), Some(password.as_bytes()));
    }
}

#[test]
fn limits_of_the_url_are_kept_apart_and_zero_leaves_them_to_the_settings() {
    let address = parsed(&with(
        "connect_timeout=10&tcp_user_timeout=1500&keepalives=0&keepalives_idle=7&keepalives_interval=3&keepalives_count=9",
    ));
    assert_eq!(address.connect_timeout, Some(Duration::from_secs(10)));
    assert_eq!(
        address.keepalives.tcp_user_timeout,
        Some(Duration::from_millis(1500))
    );
    assert_eq!(address.keepalives.enabled, Some(false));
    assert_eq!(address.keepalives.idle, Some(Duration::from_secs(7)));
    assert_eq!(address.keepalives.interval, Some(Duration::from_secs(3)));
    assert_eq!(address.keepalives.retries, Some(9));

    let address = parsed(&with("connect_timeout=0&keepalives_idle=-1"));
    assert_eq!((address.connect_timeout, address.keepalives.idle), (None, None));
}

#[test]
fn parameters_of_libpq_are_taken() {
    let modes = [
        ("sslmode=disable", Some(SslMode::Disable)),
        ("sslmode=allow", Some(SslMode::Prefer)),
        ("sslmode=no-verify", Some(SslMode::Require)),
        ("ssl=true", Some(SslMode::Require)),
        ("ssl=require", Some(SslMode::Require)),
        ("ssl=false", Some(SslMode::Prefer)),
        ("ssl=true&sslmode=verify-full", Some(SslMode::VerifyFull)),
        ("sslmode=verify-full&ssl=true", Some(SslMode::VerifyFull)),
        ("", None),
    ];
    for (query, mode) in modes {
        assert_eq!(parsed(&with(query)).sslmode, mode, "{query}");
    }
    for query in [
        "gssencmode=disable",
        "client_encoding=UTF8",
        "client_encoding=utf-8",
        "charset=utf8",
        "encoding=unicode",
        "sslcert=&sslkey=&sslrootcert=&sslcrl=",
        "fallback_application_name=x",
        "sslsni=0",
        "ssl_min_protocol_version=TLSv1.2",
        "target_session_attrs=primary",
        "load_balance_hosts=random",
        "sslnegotiation=direct&sslmode=require",
        "sslcert=/c.pem&sslkey=/k.pem",
        "sslcrl=/crl.pem",
        "max_protocol_version=latest",
    ] {
        assert!(parsed(&with(query)).ignored.is_empty(), "{query}");
    }
    let attributes = parsed(&with("target_session_attrs=primary"))
        .config
        .get_target_session_attrs();
    assert_eq!(attributes, TargetSessionAttrs::ReadWrite);
    let by_query = parsed("postgresql:///food?host=/run/postgresql&user=me&password=p%40w&port=5433").config;
    assert_eq!(by_query.get_hosts(), [Host::Unix("/run/postgresql".into())]);
    assert_eq!(
        (by_query.get_password(), by_query.get_ports()),
        (Some(&b"p@w"[..]), &[5433][..])
    );
}

#[test]
fn parameters_that_change_nothing_are_named() {
    for name in IGNORED {
        assert_eq!(parsed(&with(&format!("{name}=1"))).ignored, [name]);
    }
    assert_eq!(
        parsed(&with("schema=public&pgbouncer=true")).ignored,
        ["schema", "pgbouncer"]
    );
}

#[test]
fn a_parameter_that_cannot_be_used_is_named_without_its_value() {
    for (query, name) in [
        ("require_auth=geheim", "require_auth"),
        ("sslmode=geheim", "sslmode"),
        ("ssl=geheim", "ssl"),
        ("gssencmode=require", "gssencmode"),
        ("client_encoding=LATIN1", "client_encoding"),
        ("charset=utf8mb4", "charset"),
        ("sslcert=/geheim.pem&sslkey=", "sslcert"),
        ("sslpassword=geheim", "sslpassword"),
        ("passfile=/geheim", "passfile"),
        ("schema=geheim", "schema"),
        ("channel_binding=geheim", "channel_binding"),
        ("load_balance_hosts=geheim", "load_balance_hosts"),
        ("target_session_attrs=prefer-standby", "target_session_attrs"),
        ("connect_timeout=geheim", "connect_timeout"),
        ("keepalives=yes", "keepalives"),
        ("sslnegotiation=direct", "sslnegotiation"),
        ("sslcert=/geheim.pem", "sslcert"),
        ("port=geheim", "port"),
        ("sslmod=require", "sslmod"),
        ("service=geheim", "service"),
    ] {
        let problem = refused(&with(query));
        assert!(problem.starts_with(name), "{query}: {problem}");
        assert!(!problem.contains("geheim"), "{problem}");
    }
    let nameless = refused(&with("geheim"));
    assert!(
        nameless.contains("name=value") && !nameless.contains("geheim"),
        "{nameless}"
    );
}

#[test]
fn what_is_no_url_is_recognized() {
    for (url, hint) in [
        ("\"postgres://u:geheim@h/d\"", "quotation mark"),
        ("jdbc:postgresql://h/d?user=u&password=geheim", "names a driver"),
        ("postgresql+asyncpg://u:geheim@h/d", "names a driver"),
        (
            "host=h port=5432 dbname=d user=u password=geheim sslmode=require",
            "list of name=value",
        ),
        ("mysql://u:geheim@h/d", "does not begin with postgres://"),
        ("postgres://u:geheim@h:70000/d", "a port is no number"),
        ("postgres://u:geheim@/d", "names no host"),
        ("postgres://u:geheim@h h/d", "no host has"),
        (
            "psql 'postgresql://u:geheim@h/d'",
            "something else stands in front",
        ),
        (
            "DATABASE_URL=postgres://u:geheim@h/d",
            "something else stands in front",
        ),
        (
            "\u{201c}postgres://u:geheim@h/d\u{201d}",
            "something else stands in front",
        ),
        ("$DATABASE_URL", "a variable that nothing has replaced"),
        ("", "does not begin with"),
    ] {
        let problem = refused(url);
        assert!(
            problem.contains(hint) && !problem.contains("geheim"),
            "{url}: {problem}"
        );
    }
}

proptest! {
    /// Whatever stands in a password: it is read as it is, or nothing of it is shown.
    #[test]
    fn fuzz_database_url_never_shows_the_password(
        before in "[a-zA-Z0-9@:/?#%&=\\[\\]., ü-]{0,12}",
        after in "[a-zA-Z0-9@:/?#%&=\\[\\]., ü-]{0,12}",
        end in "(/food|:5432/food|:5432,h2/food|/food\\?sslmode=require|)",
    ) {
        let password = format!("{before}qzxj{after}");
        match Address::parse(&format!("postgres://app:{password}@db.example{end}")) {
            Ok(address) => {
                let hosts = format!("{:?}{:?}", address.config.get_hosts(), address.config.get_dbname());
                prop_assert!(!hosts.contains("qzxj"), "{hosts}");
                let decoded = percent_encoding::percent_decode_str(&password).collect::<Vec<u8>>();
                prop_assert_eq!(address.config.get_password(), Some(&decoded[..]));
            }
            Err(problem) => prop_assert!(!problem.contains("qzxj"), "{problem}"),
        }
    }

    /// An encoded password is always read as it was meant.
    #[test]
    fn fuzz_database_url_reads_every_encoded_password(password in "\\PC{1,24}") {
        let encoded = percent_encoding::utf8_percent_encode(&password, percent_encoding::NON_ALPHANUMERIC);
        let address = parsed(&format!("postgres://app:{encoded}@db.example/food"));
        prop_assert_eq!(address.config.get_password(), Some(password.as_bytes()));
    }

    /// No text makes the parser panic.
    #[test]
    fn fuzz_database_url_takes_or_refuses_any_text(
        url in "(postgres(ql)?://)?[a-z0-9@:/?#%&=\\[\\].,_ \\PC-]{0,60}",
    ) {
        let _ = Address::parse(&url);
    }
}
