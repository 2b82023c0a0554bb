{{/* The init jobs as one list, and the CronJob that each of them becomes. */}}

{{/* How an environment ends the names: dev, staging or prod. */}}
{{- define "init.environment" -}}
{{- $names := dict "dev" "dev" "development" "dev" "staging" "staging" "test" "staging" "prod" "prod" "production" "prod" -}}
{{- get $names (lower .Values.environment) -}}
{{- end }}

{{/*
A list of: purpose, category, description, size, resources, timeoutSeconds, extraEnv, extraEnvFrom, volumes, volumeMounts, and
steps, which run one after the other: name, image (databaseMigration, databaseLoad, or a map of its own), args, database (admin,
migrator, loader, secondary or none).
*/}}
{{- define "init.jobs" -}}
{{- $jobs := list -}}
{{- with .Values.initJobs -}}
{{- with .grantDbRoles }}{{ if .enabled -}}
{{- $steps := list (dict "name" "database-migration" "image" "databaseMigration" "args" (list "roles" "apply") "database" "admin") -}}
{{- $jobs = append $jobs (merge (dict "purpose" "grant-db-roles" "category" "database" "steps" $steps
  "description" "makes the database's roles and grants their rights") .) -}}
{{- end }}{{ end -}}
{{- with .dbMigration }}{{ if .enabled -}}
{{- $steps := list (dict "name" "database-migration" "image" "databaseMigration" "args" (.args | default (list "up")) "database" "migrator") -}}
{{- $jobs = append $jobs (merge (dict "purpose" "db-migration" "category" "database" "steps" $steps
  "description" "brings the database schema to the version of the image") .) -}}
{{- end }}{{ end -}}
{{- with .seedData }}{{ if .enabled -}}
{{- $steps := list (dict "name" "database-load" "image" "databaseLoad" "args" (list "run") "database" "loader") -}}
{{- $env := append .extraEnv (dict "name" "PROFILES" "value" (join "," .profiles)) -}}
{{- $jobs = append $jobs (merge (dict "purpose" "seed-data" "category" "data" "steps" $steps "extraEnv" $env
  "description" "loads the data of the profiles") .) -}}
{{- end }}{{ end -}}
{{- with .multiRegionSetup }}{{ if .enabled -}}
{{- $steps := list
  (dict "name" "wait" "image" "databaseMigration" "args" (list "wait" (printf "--wait-timeout=%v" (int .timeoutSeconds))) "database" "secondary")
  (dict "name" "roles-check" "image" "databaseMigration" "args" (list "roles" "check") "database" "secondary") -}}
{{- $region := .targetRegion | required "initJobs.multiRegionSetup.targetRegion: which region is set up?" -}}
{{- $env := append .extraEnv (dict "name" "TARGET_REGION" "value" $region) -}}
{{- $jobs = append $jobs (merge (dict "purpose" "multi-region-setup" "category" "infrastructure" "steps" $steps "extraEnv" $env
  "description" "waits for the standby of the second region and checks its roles") .) -}}
{{- end }}{{ end -}}
{{- with .validateInfrastructure }}{{ if .enabled -}}
{{- $steps := list
  (dict "name" "roles-check" "image" "databaseMigration" "args" (list "roles" "check") "database" "migrator")
  (dict "name" "status" "image" "databaseMigration" "args" (list "status" "--exit-code") "database" "migrator")
  (dict "name" "validate" "image" "databaseMigration" "args" (list "validate") "database" "migrator")
  (dict "name" "verify" "image" "databaseLoad" "args" (list "verify") "database" "loader") -}}
{{- $jobs = append $jobs (merge (dict "purpose" "validate-infrastructure" "category" "infrastructure" "steps" $steps
  "description" "checks roles, schema and data and changes nothing") .) -}}
{{- end }}{{ end -}}
{{- range .extra -}}
{{- $step := dict "name" "job" "image" .image "args" (.args | default list) "database" (.database | default "none") -}}
{{- $volumes := list }}{{ $mounts := list -}}
{{- range $index, $secret := .secrets -}}
{{- $volumes = append $volumes (dict "name" (printf "secret-%d" $index) "secret" (dict "secretName" $secret.name "defaultMode" 288)) -}}
{{- $mounts = append $mounts (dict "name" (printf "secret-%d" $index) "mountPath" $secret.mountPath "readOnly" true) -}}
{{- end -}}
{{- $jobs = append $jobs (dict "purpose" .purpose "category" .category "description" .description "steps" (list $step)
  "size" (.size | default "small") "resources" (.resources | default dict) "timeoutSeconds" (.timeoutSeconds | default 900)
  "extraEnv" (.env | default list) "volumes" $volumes "volumeMounts" $mounts) -}}
{{- end -}}
{{- end -}}
{{- toYaml $jobs -}}
{{- end }}

{{/* Requests and limits alike: `resources`, or those of the size. */}}
{{- define "init.resources" -}}
{{- if .resources -}}
{{- toYaml .resources -}}
{{- else -}}
{{- $sizes := dict "small" (dict "cpu" "250m" "memory" "512Mi") "medium" (dict "cpu" "500m" "memory" "1Gi") "large" (dict "cpu" "1" "memory" "2Gi") -}}
{{- $size := get $sizes .size -}}
{{- toYaml (dict "requests" $size "limits" $size) -}}
{{- end -}}
{{- end }}

{{/* Variables of the connection and of the programs: root, job, step. */}}
{{- define "init.env" -}}
{{- $env := list -}}
{{- if eq .step.database "admin" -}}
{{- range (include "shop.env" (dict "root" .root "image" .image "role" "admin" "trigger" "job") | fromYamlArray) -}}
{{- if not (or (has .name (list "DATABASE_URL_FILE" "DATABASE_DIRECT_URL_FILE" "DB_AUTH" "DB_AZURE_AUDIENCE" "DB_PASSWORD_FILE")) (hasPrefix "AZURE_" .name) (hasPrefix "IDENTITY_" .name)) }}{{ $env = append $env . }}{{ end -}}
{{- end -}}
{{- $admin := .root.Values.initJobs.grantDbRoles -}}
{{- $parts := dict "DB_HOST" $admin.host "DB_PORT" ($admin.port | toString) "DB_NAME" $admin.databaseName "DB_USER" $admin.adminUser "DB_SSLMODE" $admin.sslmode "DB_PASSWORD_FILE" "/etc/order-food/admin/postgres-admin-password" -}}
{{- range $name, $value := $parts }}{{ $env = append $env (dict "name" $name "value" $value) }}{{ end -}}
{{- $env = append $env (dict "name" "ROLE_PASSWORDS_DIR" "value" "/etc/order-food/role-passwords") -}}
{{- else if ne .step.database "none" -}}
{{- $env = include "shop.env" (dict "root" .root "image" .image "role" .step.database "trigger" "job") | fromYamlArray -}}
{{- end -}}
{{- if eq .step.database "loader" -}}
{{- $env = concat $env (include "shop.hashKeyEnv" .root | fromYamlArray) (list (dict "name" "TMPDIR" "value" "/tmp")) -}}
{{- end -}}
{{- if .alive }}{{ $env = concat $env (include "shop.aliveEnv" . | fromYamlArray) }}{{ end -}}
{{- include "shop.mergeEnv" (dict "own" (toYaml $env) "extra" (.job.extraEnv | default list)) -}}
{{- end }}

{{/* alive (whether it is probed), root, job (whose timeoutSeconds, size, resources, extraEnv and extraEnvFrom count), step. */}}
{{- define "init.container" -}}
{{- $image := .step.image -}}
{{- $alive := and .alive (kindIs "string" $image) (ne .step.database "none") -}}
{{- $program := get (dict "databaseMigration" "database-migration" "databaseLoad" "database-load") (toString $image) -}}
{{- if kindIs "string" $image }}{{ $image = index .root.Values.images $image }}{{ end -}}
- name: {{ .step.name }}
  image: {{ include "shop.image" (dict "root" .root "image" $image) | quote }}
  imagePullPolicy: {{ $image.pullPolicy | default "IfNotPresent" }}
  args:
    {{- if eq .step.database "none" }}
    {{- toYaml .step.args | nindent 4 }}
    {{- else }}
    {{- include "shop.args" (dict "args" .step.args "timeoutSeconds" .job.timeoutSeconds) | nindent 4 }}
    {{- end }}
  env:
    {{- include "init.env" (dict "root" .root "job" .job "step" .step "image" $image "alive" $alive) | nindent 4 }}
  {{- with .job.extraEnvFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  resources:
    {{- include "init.resources" .job | nindent 4 }}
  securityContext:
    {{- toYaml .root.Values.securityContext | nindent 4 }}
  terminationMessagePolicy: FallbackToLogsOnError
  {{- if $alive }}
  {{- include "shop.aliveProbe" $program | nindent 2 }}
  {{- end }}
  volumeMounts:
    - name: temp
      mountPath: /tmp
    {{- if eq .step.database "admin" }}
    - name: admin
      mountPath: /etc/order-food/admin
      readOnly: true
    - name: role-passwords
      mountPath: /etc/order-food/role-passwords
      readOnly: true
    {{- else if ne .step.database "none" }}
    {{- include "shop.databaseMount" (dict "role" .step.database) | nindent 4 }}
    {{- end }}
    {{- with concat (.job.volumeMounts | default list) .root.Values.volumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{/* root, job. */}}
{{- define "init.volumes" -}}
{{- $root := .root -}}
- name: temp
  emptyDir:
    {{- toYaml $root.Values.tempDir | nindent 4 }}
{{- $databases := list }}{{ range .job.steps }}{{ $databases = append $databases .database }}{{ end }}
{{- range $database := uniq $databases }}
{{- if eq $database "admin" }}
{{- $admin := $root.Values.initJobs.grantDbRoles }}
- name: admin
  secret:
    secretName: {{ $admin.adminSecret }}
    defaultMode: 288 # 0440
    items:
      - key: postgres-admin-password
        path: postgres-admin-password
- name: role-passwords
  secret:
    secretName: {{ $admin.passwordsSecret }}
    defaultMode: 288 # 0440
    optional: true
{{- else if ne $database "none" }}
{{ include "shop.databaseVolume" (dict "root" $root "role" $database) }}
{{- end }}
{{- end }}
{{- with concat (.job.volumes | default list) $root.Values.volumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The spec of a Job: root, job, labels (a map), restartPolicy, backoffLimit. A step may have the values of another job in `of`. */}}
{{- define "init.jobSpec" -}}
{{- $root := .root }}{{ $job := .job -}}
{{- $seconds := 0 -}}
{{- range $job.steps }}{{ $seconds = add $seconds (int (.of | default $job).timeoutSeconds) 120 }}{{ end -}}
parallelism: 1
completions: 1
backoffLimit: {{ .backoffLimit }}
activeDeadlineSeconds: {{ mul (add1 (int .backoffLimit)) $seconds }}
{{- if eq .restartPolicy "Never" }}
podFailurePolicy:
  rules:
    - action: Ignore
      onPodConditions:
        - type: DisruptionTarget
          status: "True"
    - action: FailJob
      onExitCodes:
        operator: In
        values: [2, 5, 7, 8, 9, 10, 11]
{{- end }}
template:
  metadata:
    labels:
      {{- include "shop.labels" (dict "root" $root "component" $job.purpose "extra" (merge .labels $root.Values.podLabels)) | nindent 6 }}
    {{- with $root.Values.podAnnotations }}
    annotations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  spec:
    restartPolicy: {{ .restartPolicy }}
    {{- include "shop.identity" $root | nindent 4 }}
    {{- with initial $job.steps }}
    initContainers:
      {{- range . }}
      {{- include "init.container" (dict "root" $root "job" (.of | default $job) "step" .) | nindent 6 }}
      {{- end }}
    {{- end }}
    containers:
      {{- with last $job.steps }}
      {{- include "init.container" (dict "root" $root "job" (.of | default $job) "step" . "alive" true) | nindent 6 }}
      {{- end }}
    volumes:
      {{- include "init.volumes" (dict "root" $root "job" $job) | nindent 6 }}
    {{- include "shop.scheduling" $root | nindent 4 }}
{{- end }}

{{/* root, job. */}}
{{- define "init.cronJob" -}}
{{- $root := .root }}{{ $job := .job -}}
{{- $name := printf "%s-init-%s-%s" $root.Values.project $job.purpose (include "init.environment" $root) -}}
{{- if gt (len $name) 52 }}{{ fail (printf "%s: the name of a CronJob has at most 52 characters, this one %d" $name (len $name)) }}{{ end -}}
{{- $labels := dict "JobType" "init" "JobCategory" $job.category -}}
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {{ $name }}
  labels:
    {{- include "shop.labels" (dict "root" $root "component" $job.purpose "extra" $labels) | nindent 4 }}
  annotations:
    Name: {{ $name }}
    Purpose: {{ printf "Init job: %s" $job.description | quote }}
spec:
  # Started by hand alone: suspended, and a date that never comes.
  schedule: "0 0 31 2 *"
  suspend: true
  concurrencyPolicy: Forbid
  successfulJobsHistoryLimit: 3
  failedJobsHistoryLimit: 3
  jobTemplate:
    metadata:
      labels:
        {{- include "shop.labels" (dict "root" $root "component" $job.purpose "extra" $labels) | nindent 8 }}
      annotations:
        Name: {{ $name }}
        Purpose: {{ printf "Init job: %s" $job.description | quote }}
    spec:
      {{- include "init.jobSpec" (dict "root" $root "job" $job "labels" $labels "restartPolicy" "Never" "backoffLimit" $root.Values.backoffLimit) | nindent 6 }}
{{- end }}
