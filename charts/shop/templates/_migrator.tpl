{{/* The container of database-migration, in the Job as in the pod of order-food. */}}

{{/* root, migrator (the values that say what runs), trigger (what starts the run) and alive (whether it is probed), if need be. */}}
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
    {{- if $.alive }}{{ $own = printf "%s\n%s" $own (include "shop.aliveEnv" .) }}{{ end -}}
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
  {{- if $.alive }}
  {{- include "shop.aliveProbe" "database-migration" | nindent 2 }}
  {{- end }}
  volumeMounts:
    {{- if $.alive }}
    - name: temp
      mountPath: /tmp
    {{- end }}
    {{- include "shop.databaseMount" (dict "root" $root "role" "migrator") | nindent 4 }}
    {{- with .volumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
{{- end }}
