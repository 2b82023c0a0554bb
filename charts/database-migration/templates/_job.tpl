{{/* The spec of the Job. */}}
{{- define "migration.jobSpec" -}}
{{- $attempts := add1 (int .Values.job.backoffLimit) -}}
{{- $deadline := .Values.job.activeDeadlineSeconds | default (mul $attempts (add (int .Values.timeoutSeconds) 120)) -}}
{{- if le (int $deadline) (int .Values.timeoutSeconds) -}}
{{- fail (printf "job.activeDeadlineSeconds: %d is not above timeoutSeconds (%d): Kubernetes would kill a run that could still end by itself" (int $deadline) (int .Values.timeoutSeconds)) -}}
{{- end -}}
backoffLimit: {{ .Values.job.backoffLimit }}
activeDeadlineSeconds: {{ $deadline }}
{{- if not (kindIs "invalid" .Values.job.ttlSecondsAfterFinished) }}
ttlSecondsAfterFinished: {{ .Values.job.ttlSecondsAfterFinished }}
{{- end }}
{{- if eq .Values.job.restartPolicy "Never" }}
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
      {{- include "shop.labels" (dict "root" . "component" "job" "extra" .Values.podLabels) | nindent 6 }}
    {{- with .Values.podAnnotations }}
    annotations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  spec:
    restartPolicy: {{ .Values.job.restartPolicy }}
    {{- include "shop.identity" . | nindent 4 }}
    containers:
      {{- include "migrator.container" (dict "root" . "migrator" .Values "trigger" "job" "alive" true) | nindent 6 }}
    volumes:
      - name: temp
        emptyDir: {}
      {{- include "shop.databaseVolume" (dict "root" . "role" "migrator") | nindent 6 }}
      {{- with .Values.volumes }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- include "shop.scheduling" . | nindent 4 }}
{{- end }}
