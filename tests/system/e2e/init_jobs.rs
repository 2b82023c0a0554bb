//! Bootstrap Jobs and the scripts of init jobs on a cluster, each with a database of its own.

use super::kubernetes::Cluster;
use super::proved;

/// The images that are deployed, a database of this server for each kind of Jobs, and the words for
/// helm.
const PREPARE: &str = r#"
password=postgres-admin-password
database() {
  sql "CREATE DATABASE $1"
  url=$(kube get secret order-food-database -o jsonpath='{.data.url}' | base64 -d | sed -E "s#(:[0-9]+)/shop#\1/$1#")
  kube create secret generic "$1-database" --from-literal=url="$url" >/dev/null
}
words() {
  local service image policy
  for service in database-migration:databaseMigration database-load:databaseLoad; do
    image=$(kube get deployment order-food -o jsonpath="{.spec.template.spec.initContainers[?(@.name=='${service%:*}')].image}")
    policy=$(kube get deployment order-food -o jsonpath="{.spec.template.spec.initContainers[?(@.name=='${service%:*}')].imagePullPolicy}")
    printf '%s ' --set "images.${service#*:}.repository=${image%:*}" --set-string "images.${service#*:}.tag=${image##*:}" \
      --set "images.${service#*:}.pullPolicy=$policy"
  done
  echo "--set database.existingSecret=$1-database"
}
"#;

/// In this order; nothing of them is left.
pub(super) fn keep_their_promises(cluster: &Cluster) {
    bootstrapped(cluster);
    triggered(cluster);
    cluster.ok(r#"
        kube delete jobs,serviceaccounts,networkpolicies -l app.kubernetes.io/name=bootstrap
        kube delete secret bootstrapped-database triggered-database order-food-postgres-admin
        helm uninstall init-jobs
        sql "DROP DATABASE bootstrapped WITH (FORCE)"
        sql "DROP DATABASE triggered WITH (FORCE)""#);
}

/// A number of one of the databases.
fn count(cluster: &Cluster, database: &str, from: &str) -> usize {
    cluster.number(&format!(
        "kube exec postgres-0 -c postgres -- psql --no-psqlrc -U shop -d {database} -qAtc 'SELECT count(*) FROM {from}'"
    ))
}

fn bootstrapped(cluster: &Cluster) {
    let run = |settings: &str| {
        format!("{PREPARE}\n{settings} BOOTSTRAP_ARGS=$(words bootstrapped) target bootstrap")
    };
    cluster.ok(&format!("{PREPARE}\ndatabase bootstrapped"));
    for _ in ["on an empty database", "again"] {
        let said = cluster.ok(&run("PROFILES='minimal default'"));
        for job in ["base", "minimal", "default"] {
            let end = format!("order-food-bootstrap-{job}: done");
            assert!(said.contains(&end), "{end}: {said}");
        }
    }
    let loads = "bootstrap_runs WHERE task = $$database-load$$ AND outcome = $$changed$$";
    assert_eq!(count(cluster, "bootstrapped", loads), 2, "one for each profile");
    let said = cluster.ok(&run("DRY_RUN=1"));
    assert!(said.contains("order-food-bootstrap-default-plan: done"), "{said}");
    cluster.fails(&run("PROFILES=nowhere"), &["nowhere.toml", "failed"]);
    proved("make bootstrap: schema and profiles in order, again, planned, and stopped by a failure");
}

fn triggered(cluster: &Cluster) {
    cluster.ok(&format!(
        r#"{PREPARE}
        database triggered
        kube create secret generic order-food-postgres-admin \
          --from-literal=$password="$(kube get secret postgres-password -o jsonpath='{{.data.password}}' | base64 -d)"
        host=$(kube get service postgres -o jsonpath='{{.spec.clusterIP}}')
        read -ra more <<<"$(words triggered)"
        helm upgrade --install init-jobs charts/init-jobs --values charts/init-jobs/values-dev.yaml "${{more[@]}}" \
          --set initJobs.grantDbRoles.host="$host" --set initJobs.grantDbRoles.adminUser=shop \
          --set initJobs.grantDbRoles.databaseName=triggered"#
    ));
    for purpose in [
        "db-role-grant",
        "db-migration",
        "seed-data",
        "validate-infrastructure",
    ] {
        let said = cluster.ok(&format!("scripts/trigger-{purpose}-job.sh dev"));
        assert!(said.contains("Job completed successfully!"), "{said}");
    }
    assert!(count(cluster, "triggered", "products") > 0);
    let status = cluster.ok("scripts/init-job-status.sh seed-data dev");
    assert!(status.contains(" Complete "), "{status}");
    cluster.ok(
        "helm upgrade init-jobs charts/init-jobs --reuse-values --set initJobs.seedData.profiles={nowhere}",
    );
    cluster.fails(
        "scripts/trigger-seed-data-job.sh dev",
        &["nowhere.toml", "failed"],
    );
    let status = cluster.ok("scripts/init-job-status.sh seed-data dev");
    assert!(status.contains(" Failed "), "{status}");
    proved("the scripts of init jobs: roles, schema, data, checks; a failure is told and listed");
}
