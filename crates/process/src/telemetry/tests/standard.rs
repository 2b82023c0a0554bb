//! Tests of OpenTelemetry's standard variables, and of the names of service and deployment.

use super::*;

#[test]
fn the_resource_names_service_version_and_deployment() {
    let collector = Receiver::start();
    let settings = Settings {
        environment: Environment::parse("staging").unwrap(),
        service_version: "1.2.3".into(),
        ..sending_to(&collector.endpoint())
    };

    run(Role::Member, &settings, |telemetry| {
        telemetry.adopt(&info_span!("start"))
    });

    let resource = collector.span("start").resource;
    assert_eq!(resource["service.name"], "shop-test");
    assert_eq!(resource["service.version"], "1.2.3");
    assert_eq!(resource["deployment.environment.name"], "staging");
}

#[test]
fn the_resource_takes_the_name_and_the_attributes_of_opentelemetry_decoded() {
    let collector = Receiver::start();
    let settings = Settings {
        service_name: "shop-eu".into(),
        resource_attributes: "team=food%20team, service.name=other,a%2Cb=1%3D2".into(),
        ..sending_to(&collector.endpoint())
    };

    let lines = run(Role::Member, &settings, |telemetry| {
        telemetry.adopt(&info_span!("start"))
    });

    let resource = collector.span("start").resource;
    assert_eq!(resource["service.name"], "shop-eu");
    assert_eq!((&*resource["team"], &*resource["a,b"]), ("food team", "1=2"));
    assert!(resource.contains_key("telemetry.sdk.version"));
    assert!(lines.is_empty(), "{lines:?}");
}

#[test]
fn what_opentelemetry_may_be_told_and_is_not_done_here_is_one_warning_each() {
    let collector = Receiver::start();
    let settings = Settings {
        traces_exporter: "OTLP, console".into(),
        otlp_protocol: "grpc".into(),
        propagators: "tracecontext,baggage,b3".into(),
        sampler: "xray".into(),
        sampler_arg: "endpoint=x".into(),
        sdk_disabled: "perhaps".into(),
        resource_attributes: "team".into(),
        ..sending_to(&collector.endpoint())
    };

    let lines = run(Role::Member, &settings, |telemetry| {
        telemetry.adopt(&info_span!("start"))
    });

    assert_eq!(collector.span("start").resource["service.name"], "shop-test");
    let messages: Vec<&str> = lines
        .iter()
        .map(|line| line["message"].as_str().unwrap())
        .collect();
    let named = [
        "OTEL_TRACES_SAMPLER_ARG",
        "OTEL_TRACES_SAMPLER: `xray`",
        "OTEL_SDK_DISABLED",
        "OTEL_TRACES_EXPORTER: `console`",
        "OTEL_EXPORTER_OTLP_PROTOCOL: `grpc`",
        "OTEL_RESOURCE_ATTRIBUTES",
        "OTEL_PROPAGATORS: `b3`",
    ];
    assert_eq!(messages.len(), named.len(), "{messages:?}");
    for (message, named) in messages.iter().zip(named) {
        assert!(message.starts_with(named), "{message}");
    }
    assert!(lines.iter().all(|line| line["level"] == "WARN"));
}

#[test]
fn exporters_are_a_list_of_which_the_known_ones_count() {
    for (exporters, sends) in [
        ("otlp,console", true),
        ("console", true),
        ("jaeger", true),
        ("", true),
        ("NONE", false),
        ("none, console", false),
    ] {
        let settings = Settings {
            traces_exporter: exporters.into(),
            ..Settings::default()
        };
        let endpoint = endpoint::resolve(&settings, &mut Vec::new()).unwrap();
        assert_eq!(endpoint.is_some(), sends, "{exporters}");
    }
}

#[test]
fn prod_and_production_mean_production_and_no_other_name_begins_so() {
    let named = |name: &str| {
        Environment::parse(name).map(|environment| Settings {
            environment,
            ..Settings::default()
        })
    };

    for production in [
        "prod",
        "PROD",
        " Prod\n",
        "production",
        "production ",
        " Production",
        "PRODUCTION\n",
    ] {
        assert!(named(production).unwrap().production(), "{production:?}");
    }
    for other in ["development", "staging", "pre-production", "pro", "p", ""] {
        assert!(!named(other).unwrap().production(), "{other:?}");
    }
    for refused in [
        "Prod-eu",
        "productions ",
        "prod2",
        "prod eu",
        "PRODUCTION_1",
        "produktion",
    ] {
        let problem = named(refused).unwrap_err().to_string();
        let name = refused.trim();
        assert!(
            problem.starts_with(&format!("`{name}` begins with `prod`")),
            "{problem}"
        );
    }
}
