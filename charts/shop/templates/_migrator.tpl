{{/* The container of database-migration, in the Job as in the pod of order-food. */}}

{{/* root, migrator (the values that say what runs), trigger (what starts the run), if need be. */}}
{{- define "migrator.container" -}}
{{- $root := .root -}}
{{- with .migrator -}}
- name: database-migration
  image: {{ include "shop.image" (dict "root" $root "image" .image) | quote }}
  imagePullPolicy: {{ .image.pullPolicy }}
  args:
    {{- include "shop.args" . | nindent 4 }}
  env:
    {{- $own := include "shop.env" (dict "root" $root "image" .image "role" "migrator" "trigger" $.trigger) -}}
    {{- include "shop.mergeEnv" (dict "own" $own "extra" .extraEnv) | nindent 4 }}
  {{- with .extraEnvFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  resources:
    {{- toYaml .resources | nindent 4 }}
  securityContext:
    {{- toYaml $root.Values.securityContext | nindent 4 }}
  terminationMessagePolicy: FallbackToLogsOnError
  volumeMounts:
    {{- include "shop.databaseMount" (dict "root" $root "role" "migrator") | nindent 4 }}
    {{- with .volumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
{{- end }}
