{{/* Arguments of the scheduled runs. */}}
{{- define "migration.partitions" -}}
{{- with .Values.partitions -}}
{{- $args := list "partitions" "--ahead" (.ahead | toString) "--interval" .interval -}}
{{- if .retainDays }}{{ $args = concat $args (list "--retain" (printf "%dd" (int .retainDays))) }}{{ end -}}
{{- with .exportDir }}{{ $args = concat $args (list "--export" .) }}{{ end -}}
{{- toYaml $args -}}
{{- end -}}
{{- end }}

{{/* The spec of a Job: root, of (.Values.job or .Values.cronjob), name (job or cronjob), migrator (the container's values). */}}
{{- define "migration.jobSpec" -}}
{{- $timeout := int .root.Values.timeoutSeconds -}}
{{- $attempts := add1 (int .of.backoffLimit) -}}
{{- $deadline := .of.activeDeadlineSeconds | default (mul $attempts (add $timeout 120)) -}}
{{- if le (int $deadline) $timeout -}}
{{- fail (printf "%s.activeDeadlineSeconds: %d is not above timeoutSeconds (%d): Kubernetes would kill a run that could still end by itself" .name (int $deadline) $timeout) -}}
{{- end -}}
backoffLimit: {{ .of.backoffLimit }}
activeDeadlineSeconds: {{ $deadline }}
{{- if not (kindIs "invalid" .of.ttlSecondsAfterFinished) }}
ttlSecondsAfterFinished: {{ .of.ttlSecondsAfterFinished }}
{{- end }}
{{- if eq .of.restartPolicy "Never" }}
podFailurePolicy:
  rules:
    - action: Ignore
      onPodConditions:
        - type: DisruptionTarget
          status: "True"
    - action: FailJob
      onExitCodes:
        containerName: database-migration
        operator: In
        values: [2, 5, 7, 9, 10, 11]
{{- end }}
template:
  metadata:
    labels:
      {{- include "shop.labels" (dict "root" .root "component" .name "extra" .root.Values.podLabels) | nindent 6 }}
    {{- with .root.Values.podAnnotations }}
    annotations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  spec:
    restartPolicy: {{ .of.restartPolicy }}
    {{- include "shop.identity" .root | nindent 4 }}
    containers:
      {{- include "migrator.container" (dict "root" .root "migrator" .migrator "trigger" .name "alive" true) | nindent 6 }}
    volumes:
      - name: temp
        emptyDir: {}
      {{- include "shop.databaseVolume" (dict "root" .root "role" "migrator") | nindent 6 }}
      {{- with .root.Values.volumes }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- include "shop.scheduling" .root | nindent 4 }}
{{- end }}
