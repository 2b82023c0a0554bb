{{/* The Jobs that bring schema and data into a database once. */}}

{{/* The part of a name that a profile is: `menu`, or `data-menu-shop-toml` for a path. */}}
{{- define "init.profileName" -}}
{{- regexReplaceAll "[^a-z0-9]+" (lower .) "-" | trimAll "-" -}}
{{- end }}

{{/*
A list of: purpose, category, description, kind (whole, steps, step), needs (names of Jobs), steps. `whole` loads all profiles in one
transaction, `steps` one after the other in a pod, and a `step` is the schema or one profile.
*/}}
{{- define "init.bootstrapJobs" -}}
{{- $values := .Values.bootstrap }}{{ $profiles := .Values.initJobs.seedData.profiles -}}
{{- $name := printf "%s-bootstrap" .Values.project -}}
{{- $run := ternary "plan" "run" $values.dryRun -}}
{{- $schema := dict "name" "database-migration" "image" "databaseMigration" "database" "migrator" "of" .Values.initJobs.dbMigration
  "args" (ternary (list "plan") (.Values.initJobs.dbMigration.args | default (list "up")) $values.dryRun) -}}
{{- $load := dict "image" "databaseLoad" "database" "loader" "of" .Values.initJobs.seedData -}}
{{- $options := ternary (list "--wait-timeout=10s") list $values.dryRun -}}
{{- $every := list $run }}{{ $loads := list }}{{ $steps := list }}{{ $known := list "base" "all" -}}
{{- range $profile := $profiles -}}
{{- $short := include "init.profileName" $profile -}}
{{- if has $short $known }}{{ fail (printf "initJobs.seedData.profiles: %s would be the second bootstrap Job %s-%s" $profile $name $short) }}{{ end -}}
{{- $known = append $known $short -}}
{{- $every = concat $every (list "-p" $profile) -}}
{{- $one := merge (dict "name" (printf "load-%s" $short | trunc 63 | trimSuffix "-") "args" (concat (list $run "-p" $profile) $options)) $load -}}
{{- $loads = append $loads $one -}}
{{- $needs := list (printf "%s-base" $name) -}}
{{- range get $values.needs $profile | default list -}}
{{- if not (has . $profiles) }}{{ fail (printf "bootstrap.needs.%s: %s is not among initJobs.seedData.profiles" $profile .) }}{{ end -}}
{{- $needs = append $needs (printf "%s-%s" $name (include "init.profileName" .)) -}}
{{- end -}}
{{- $steps = append $steps (dict "purpose" (printf "bootstrap-%s" $short) "category" "data" "kind" "step" "needs" $needs
  "description" (printf "loads the profile %s" $profile) "steps" (list (merge (dict "name" "database-load") $one))) -}}
{{- end -}}
{{- $all := list
  (dict "purpose" "bootstrap" "category" "data" "kind" "whole" "description" "schema, then all profiles in one transaction"
    "steps" (list $schema (merge (dict "name" "database-load" "args" (concat $every $options)) $load)))
  (dict "purpose" "bootstrap-all" "category" "data" "kind" "steps" "description" "schema, then one profile after the other"
    "steps" (concat (list $schema) $loads))
  (dict "purpose" "bootstrap-base" "category" "database" "kind" "step" "description" "the schema" "steps" (list $schema)) -}}
{{- toYaml (concat $all $steps) -}}
{{- end }}

{{/* root, job. */}}
{{- define "init.bootstrapJob" -}}
{{- $root := .root }}{{ $job := .job }}{{ $values := $root.Values.bootstrap -}}
{{- $suffix := ternary "" (printf "-%s" $values.suffix) (empty $values.suffix) -}}
{{- $name := printf "%s-%s%s" $root.Values.project $job.purpose $suffix -}}
{{- if gt (len $name) 63 }}{{ fail (printf "%s: the name of a Job has at most 63 characters, this one %d" $name (len $name)) }}{{ end -}}
{{- $labels := dict "JobCategory" $job.category "order-food/bootstrap" $job.kind -}}
{{- $needs := list }}{{ range $job.needs }}{{ $needs = append $needs (printf "%s%s" . $suffix) }}{{ end -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "shop.labels" (dict "root" $root "component" $job.purpose "extra" $labels) | nindent 4 }}
  annotations:
    Purpose: {{ printf "Bootstrap: %s" $job.description | quote }}
    {{- with $needs }}
    order-food/needs: {{ join "," . }}
    {{- end }}
spec:
  ttlSecondsAfterFinished: {{ $values.ttlSecondsAfterFinished }}
  {{- include "init.jobSpec" (dict "root" $root "job" $job "labels" $labels "restartPolicy" $values.restartPolicy "backoffLimit" (ternary 0 $root.Values.backoffLimit $values.dryRun)) | nindent 2 }}
{{- end }}
