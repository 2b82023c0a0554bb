{{/* The loader's values for one use: those of `of` (job, cronjob) where it has its own. Takes root, of. */}}
{{- define "load.loader" -}}
{{- $loader := pick .root.Values "image" "profiles" "sources" "args" "timeoutSeconds" "onUnreachable" "tempDir" "resources" "extraEnv" "extraEnvFrom" "volumeMounts" -}}
{{- range $key := list "profiles" "sources" "args" -}}
{{- $own := index $.of $key -}}
{{- if not (kindIs "invalid" $own) -}}
{{- $_ := set $loader $key $own -}}
{{- end -}}
{{- end -}}
{{- toYaml $loader -}}
{{- end }}

{{/* The spec of a Job: root, of (.Values.job or .Values.cronjob), name (job or cronjob). */}}
{{- define "load.jobSpec" -}}
{{- $root := .root -}}
{{- $loader := include "load.loader" . | fromYaml -}}
{{- $use := dict "root" $root "loader" $loader "name" .name "trigger" .name "alive" true -}}
{{- $attempts := add1 (int .of.backoffLimit) -}}
{{- $deadline := .of.activeDeadlineSeconds | default (mul $attempts (add (int $loader.timeoutSeconds) 120)) -}}
{{- if le (int $deadline) (int $loader.timeoutSeconds) -}}
{{- fail (printf "%s.activeDeadlineSeconds: %d is not above timeoutSeconds (%d): Kubernetes would kill a run that could still end by itself" .name (int $deadline) (int $loader.timeoutSeconds)) -}}
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
        containerName: database-load
        operator: In
        values: [2, 5, 7, 9, 10, 11]
{{- end }}
template:
  metadata:
    labels:
      {{- include "shop.labels" (dict "root" $root "component" .name "extra" $root.Values.podLabels) | nindent 6 }}
    {{- $profile := include "loader.profile" $loader }}
    {{- if or $profile $root.Values.podAnnotations }}
    annotations:
      {{- if $profile }}
      checksum/sources: {{ sha256sum $profile }}
      {{- end }}
      {{- with $root.Values.podAnnotations }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- end }}
  spec:
    restartPolicy: {{ .of.restartPolicy }}
    {{- include "shop.identity" $root | nindent 4 }}
    containers:
      {{- include "loader.container" $use | nindent 6 }}
    volumes:
      {{- include "loader.volumes" $use | nindent 6 }}
      {{- with $root.Values.volumes }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- include "shop.scheduling" $root | nindent 4 }}
{{- end }}
