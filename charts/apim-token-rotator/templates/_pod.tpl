{{- /* What the service's pod and the test's pod have in common. */ -}}
{{- define "rotator.podLabels" -}}
{{ include "rotator.labels" . }}
{{- if .Values.workloadIdentity.enabled }}
azure.workload.identity/use: "true"
{{- end }}
{{- with .Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* The Secrets that are mounted: volume and name, as a JSON object. */ -}}
{{- define "rotator.secrets" -}}
{{- $secrets := dict -}}
{{- with .Values.kubeconfig.existingSecret -}}{{- $_ := set $secrets "kubeconfig" . -}}{{- end -}}
{{- with .Values.webhook.auth.existingSecret -}}{{- $_ := set $secrets "webhook" . -}}{{- end -}}
{{- toJson $secrets -}}
{{- end -}}

{{- define "rotator.podBasics" -}}
serviceAccountName: {{ include "rotator.serviceAccount" . }}
automountServiceAccountToken: true
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: config
    configMap:
      name: {{ include "rotator.fullname" . }}
  {{- range $name, $secret := include "rotator.secrets" . | fromJson }}
  - name: {{ $name }}
    secret:
      secretName: {{ $secret }}
      defaultMode: 0440
  {{- end }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "rotator.containerBasics" -}}
image: {{ include "rotator.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
env:
  - name: ROTATOR_CONFIG
    value: /etc/rotator/config.toml
  - name: POD_NAME
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  - name: POD_NAMESPACE
    valueFrom:
      fieldRef:
        fieldPath: metadata.namespace
  - name: POD_UID
    valueFrom:
      fieldRef:
        fieldPath: metadata.uid
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
volumeMounts:
  - name: config
    mountPath: /etc/rotator
    readOnly: true
  {{- range $name, $_ := include "rotator.secrets" . | fromJson }}
  - name: {{ $name }}
    mountPath: /etc/rotator-{{ $name }}  # a folder, not a subPath: those are never updated
    readOnly: true
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
