//! The scripts of init jobs against a real API server without nodes: each Job is there with its
//! name and body, its end is set by a patch of its status, and the script tells it.

use std::process::{Child, Command, Stdio};

use test_support::{Data, free_port, tool};

use super::{Shell, proved, within};
use crate::process_list::Watch;

/// Of the administrator, and of every Secret that jobs read.
const PASSWORD: &str = "correct-horse-4711";

/// How a Job ends, as a controller would say it.
const PRELUDE: &str = r#"
now() { date -u +%Y-%m-%dT%H:%M:%SZ; }
condition() { printf '{"type":"%s","status":"True","reason":"Test","message":"set by a test","lastTransitionTime":"%s"}' "$1" "$(now)"; }
# The Job of a CronJob that has not ended yet.
job() { kubectl get jobs -o go-template='{{range .items}}{{if not .status.conditions}}{{.metadata.name}}{{"\n"}}{{end}}{{end}}' | grep "^$1-" || true; }
ends() {
  local name='' tries=0 before=FailureTarget completed='' at
  while [[ -z $name ]]; do
    ((++tries < 300)) || return 1
    sleep 0.1
    name=$(job "$1")
  done
  at=$(now)
  [[ $2 != Complete ]] || before=SuccessCriteriaMet completed=",\"completionTime\":\"$at\""
  kubectl get job "$name" -o json >"$FOLDER/job.json"
  kubectl patch job "$name" --subresource=status --type=merge \
    -p "{\"status\":{\"startTime\":\"$at\"$completed,\"conditions\":[$(condition $before),$(condition "$2")]}}" >/dev/null
}
add_key() {
  kubectl get secret order-food-database -o json |
    perl -pe 's/"url": ("[^"]*")/"url": $1, "'"$1"'": $1/' | kubectl apply -f - 2>/dev/null
}
# trigger SCRIPT JOB OUTCOME ENVIRONMENT
trigger() {
  local patch code=0
  ends "$2" "$3" & patch=$!
  timeout 120 "scripts/trigger-$1-job.sh" "$4" || code=$?
  wait $patch && return $code
}
"#;

/// etcd and kube-apiserver on loopback; gone when dropped.
struct ApiServer {
    processes: Vec<Child>,
    folder: Data,
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().rev() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl ApiServer {
    fn start() -> (ApiServer, Shell) {
        let folder = Data::scratch();
        let path = |name: &str| folder.folder().join(name).display().to_string();
        let (clients, peers, port) = (free_port(), free_port(), free_port());
        let [clients, peers] = [clients, peers].map(|port| format!("http://127.0.0.1:{port}"));
        folder.write("tokens.csv", "operator,operator,1,system:masters\n");
        let shell = Shell::new(PRELUDE)
            .with("FOLDER", folder.folder().display())
            .with("KUBECONFIG", path("kubeconfig"));
        shell.ok("openssl genrsa -out \"$FOLDER/accounts.key\" 2048 2>/dev/null");
        let mut etcd = Command::new(tool("etcd"));
        etcd.args(["--data-dir", &path("etcd"), "--name", "e"])
            .args([
                "--listen-client-urls",
                &clients,
                "--advertise-client-urls",
                &clients,
            ])
            .args([
                "--listen-peer-urls",
                &peers,
                "--initial-advertise-peer-urls",
                &peers,
            ])
            .args(["--initial-cluster", &format!("e={peers}")]);
        let mut server = Command::new(tool("kube-apiserver"));
        server
            .arg(format!("--etcd-servers={clients}"))
            .args(["--bind-address=127.0.0.1", &format!("--secure-port={port}")])
            .arg(format!("--cert-dir={}", path("certificates")))
            .arg(format!("--token-auth-file={}", path("tokens.csv")))
            .arg(format!("--service-account-key-file={}", path("accounts.key")))
            .arg(format!(
                "--service-account-signing-key-file={}",
                path("accounts.key")
            ))
            .args([
                "--service-account-issuer=https://localhost",
                "--authorization-mode=RBAC",
            ])
            .args([
                "--service-cluster-ip-range=10.0.0.0/24",
                "--endpoint-reconciler-type=none",
            ]);
        let processes = [("etcd", etcd), ("server", server)].map(|(name, mut command)| {
            let log = std::fs::File::create(folder.folder().join(format!("{name}.log"))).unwrap();
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap()
        });
        let config = format!(
            r#"{{"apiVersion":"v1","kind":"Config","current-context":"here",
                "clusters":[{{"name":"here","cluster":{{"server":"https://127.0.0.1:{port}","insecure-skip-tls-verify":true}}}}],
                "users":[{{"name":"operator","user":{{"token":"operator"}}}}],
                "contexts":[{{"name":"here","context":{{"cluster":"here","user":"operator"}}}}]}}"#
        );
        folder.write("kubeconfig", &config);
        let processes = processes.into();
        (ApiServer { processes, folder }, shell)
    }
}

/// Script, purpose and program of each job that is there by default.
const JOBS: [(&str, &str, &str); 4] = [
    ("db-role-grant", "grant-db-roles", "database-migration"),
    ("db-migration", "db-migration", "database-migration"),
    ("seed-data", "seed-data", "database-load"),
    (
        "validate-infrastructure",
        "validate-infrastructure",
        "database-load",
    ),
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds an API server: make e2e-init-jobs"]
async fn the_scripts_of_init_jobs_work_against_an_api_server() {
    let (server, shell) = ApiServer::start();
    within(120, "the API server is ready", async || {
        shell
            .run("kubectl get --raw /readyz && kubectl get namespace default")
            .0
            == 0
    })
    .await;
    proved("etcd and kube-apiserver answer");
    let missing = |script: &str, said: &str| {
        let (code, all) = shell.run(script);
        assert!(code == 1 && all.contains(said), "{script}: {code}: {all}");
        assert!(
            all.lines().last().unwrap_or_default().starts_with("error: "),
            "{all}"
        );
    };
    missing(
        "scripts/trigger-db-role-grant-job.sh dev",
        "there is no CronJob order-food-init-grant-db-roles-dev",
    );
    missing("scripts/trigger-db-role-grant-job.sh qa", "not \"qa\"");

    let helm = "helm upgrade --install \"init-jobs-$1\" charts/init-jobs --values \"charts/init-jobs/values-$1.yaml\"";
    for values in ["dev", "staging", "production"] {
        shell.ok(&format!(
            ". scripts/deploy/place.sh; find_helm; set -- {values}; {helm} 2>&1"
        ));
    }
    let cronjobs = shell.ok("kubectl get cronjobs -l JobType=init -o go-template='{{range .items}}{{.metadata.name}} {{.spec.suspend}}{{\"\\n\"}}{{end}}'");
    for name in ["grant-db-roles-dev", "db-migration-prod", "seed-data-staging"] {
        assert!(
            cronjobs.contains(&format!("order-food-init-{name} true")),
            "{cronjobs}"
        );
    }
    missing("scripts/trigger-db-role-grant-job.sh dev", "there is no Secret");
    assert_eq!(shell.ok("kubectl get jobs -o name"), "", "nothing was started");
    proved("CronJobs of dev, staging and prod; what is missing is one line, and nothing is started");

    server.folder.write("password", PASSWORD);
    shell.ok(
        "for secret in order-food-postgres-admin:postgres-admin-password order-food-database:url; do
            kubectl create secret generic ${secret%:*} --from-file=${secret#*:}=\"$FOLDER/password\"
        done
        for key in migrator-url loader-url app-url worker-url; do add_key $key; done",
    );
    missing(
        "scripts/trigger-seed-data-job.sh prod",
        "has no key api-key-hash-key",
    );
    shell.ok("add_key api-key-hash-key");
    let watch = Watch::start();
    for environment in ["dev", "staging", "prod"] {
        for (script, purpose, program) in JOBS {
            let job = format!("order-food-init-{purpose}-{environment}");
            let (code, said) = shell.run(&format!("trigger {script} {job} Complete {environment}"));
            assert_eq!(code, 0, "{said}");
            let expected = [
                format!("=== Starting Job: {purpose} ==="),
                "Step 1: Checking prerequisites...".to_owned(),
                "Step 2: Executing task...".to_owned(),
                "✓ Job completed successfully!".to_owned(),
            ];
            let lines: Vec<&str> = said.lines().collect();
            let places: Vec<_> = expected
                .iter()
                .map(|line| lines.iter().position(|said| said == line))
                .collect();
            assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{said}");
            let body: serde_json::Value = serde_json::from_str(&server.folder.read("job.json")).unwrap();
            assert_eq!(body["metadata"]["labels"]["JobType"], "init");
            for field in ["parallelism", "completions"] {
                assert_eq!(body["spec"][field], 1, "{body}");
            }
            let image = body["spec"]["template"]["spec"]["containers"][0]["image"]
                .as_str()
                .unwrap();
            assert!(image.starts_with(program), "{job}: {image}");
            assert!(!body.to_string().contains(PASSWORD), "{body}");
        }
    }
    let (code, said) = shell.run("trigger seed-data order-food-init-seed-data-dev Failed dev");
    assert!(code == 1 && !said.contains("✓"), "{code}: {said}");
    let status = shell.ok("scripts/init-job-status.sh seed-data dev");
    assert!(
        status.contains(" Complete ") && status.contains(" Failed "),
        "{status}"
    );
    let encoded = shell.ok("base64 \"$FOLDER/password\"");
    let seen = watch.stop();
    let is_secret = |seen: &&String| seen.contains(PASSWORD) || seen.contains(encoded.trim());
    assert_eq!(seen.iter().find(is_secret), None);
    assert!(
        seen.iter()
            .any(|seen| seen.contains("init-job.sh seed-data prod")),
        "{seen:?}"
    );
    proved(
        "each script in each environment: its four lines, the Job's body, its end; no secret in the process list",
    );
}
