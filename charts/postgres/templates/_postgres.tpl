{{/* Where clients find the server. */}}
{{- define "postgres.host" -}}
{{- .Values.service.clusterIP | default (include "shop.fullname" .) -}}
{{- end }}

{{- define "postgres.passwordSecret" -}}
{{- .Values.auth.existingSecret | default (printf "%s-password" (include "shop.fullname" .)) -}}
{{- end }}

{{/* Identity of the pod and its scheduling: the same for server and test. */}}
{{- define "postgres.pod" -}}
{{ include "shop.identity" . }}
{{- include "shop.scheduling" . }}
{{- end }}
