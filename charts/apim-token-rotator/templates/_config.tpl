{{- /* The ports that the configuration names; without a line, the rotator's own. */ -}}
{{- define "rotator.webhookPort" -}}
{{- .Values.config.webhook.listen | default "0.0.0.0:8080" | splitList ":" | last -}}
{{- end -}}

{{- define "rotator.internalPort" -}}
{{- .Values.config.internal.listen | default "0.0.0.0:9090" | splitList ":" | last -}}
{{- end -}}

{{- define "rotator.webhook" -}}
{{- if dig "enabled" true .Values.config.webhook -}}true{{- end -}}
{{- end -}}

{{- /* A value as TOML. Helm reads every number as a float, and its toToml would write 10 as 10.0. */ -}}
{{- define "rotator.tomlValue" -}}
{{- if kindIs "string" . -}}
{{- toRawJson . -}}
{{- else if kindIs "bool" . -}}
{{- . -}}
{{- else if kindIs "slice" . -}}
{{- $items := list -}}
{{- range . -}}{{- $items = append $items (include "rotator.tomlValue" .) -}}{{- end -}}
[{{ join ", " $items }}]
{{- else if kindIs "map" . -}}
{{- $items := list -}}
{{- range $key := keys . | sortAlpha -}}
{{- $value := get $ $key -}}
{{- if not (kindIs "invalid" $value) -}}{{- $items = append $items (printf "%s = %s" $key (include "rotator.tomlValue" $value)) -}}{{- end -}}
{{- end -}}
{ {{- join ", " $items -}} }
{{- else -}}
{{- int64 . -}}
{{- end -}}
{{- end -}}

{{- /* The lines of a table; null and what has a table of its own are left out. */ -}}
{{- define "rotator.tomlLines" -}}
{{- range $key := keys . | sortAlpha }}
{{- $value := get $ $key }}
{{- if not (or (kindIs "invalid" $value) (eq $key "targets")) }}
{{ $key }} = {{ if and (eq $key "freeze") (kindIs "string" $value) }}{{ $value }}{{ else }}{{ include "rotator.tomlValue" $value }}{{ end }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* What the release and the mounted Secrets add to a table, unless it says so itself. */ -}}
{{- define "rotator.added" -}}
{{- $lines := dict -}}
{{- if eq .table "kubernetes" -}}
{{- $lines = dict "lease_namespace" (include "rotator.leaseNamespace" .root) -}}
{{- if .root.Values.kubeconfig.existingSecret -}}
{{- $lines = merge $lines (dict "kubeconfig" (printf "/etc/rotator-kubeconfig/%s" .root.Values.kubeconfig.key) "context" "in-cluster") -}}
{{- end -}}
{{- else if and (eq .table "webhook") .root.Values.webhook.auth.existingSecret -}}
{{- $lines = dict "secret_file" (printf "/etc/rotator-webhook/%s" .root.Values.webhook.auth.key) -}}
{{- end -}}
{{- toJson $lines -}}
{{- end -}}

{{- define "rotator.toml" -}}
{{- range $table := list "azure" "kubernetes" "webhook" "pull" "internal" "log" "rotation" "defaults" -}}
{{- $said := get $.Values.config $table | default dict -}}
{{- $lines := merge (dict) $said (include "rotator.added" (dict "root" $ "table" $table) | fromJson) -}}
{{- if or $lines (ne $table "pull") -}}
[{{ $table }}]
{{- include "rotator.tomlLines" $lines }}

{{ end -}}
{{- end -}}
{{- range $gateway := .Values.config.gateways -}}
[[gateways]]
{{- include "rotator.tomlLines" $gateway }}

{{ range $target := $gateway.targets -}}
[[gateways.targets]]
{{- include "rotator.tomlLines" $target }}

{{ end -}}
{{- end -}}
{{- end -}}
