"""The task of a stage as a pod: KubernetesPodOperator, built from a ``StageCall`` and from how the deployment runs pods.

Imported only where stages run as pods; it takes seconds. What this adds to the operator that it is made of: the command
and the environment of a stage, a result that is never lost, and a reaction to each way in which a pod can end.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.pod_generator import make_safe_label_value
from airflow.providers.cncf.kubernetes.utils.pod_manager import PodNotFoundException
from airflow.providers.cncf.kubernetes.utils.xcom_sidecar import PodDefaults
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException, TaskDeferred
from kubernetes.client import CustomObjectsApi
from kubernetes.client import models as k8s
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from curation_airflow.dask_dashboard import DaskDashboardLink, cluster_name
from curation_airflow.kubernetes_api import api_message, api_status, names_cluster, refusal, without_debug_log
from curation_airflow.lineage_parent import lineage_parent
from curation_airflow.pod_fate import has_ended, pod_fate, termination_message
from curation_airflow.pod_settings import pod_settings
from curation_airflow.stage_output import StageOutput, one_line
from curation_airflow.stage_task import StageTask, checked_result
from curation_airflow.storage_connection import storage_credentials
from curation_tasks.errors import ConfigError
from curation_tasks.handover import PIPELINE_VARIABLE, pack
from curation_tasks.plan import StageCall, plan
from curation_tasks.spec import load_pipeline

if TYPE_CHECKING:
    from airflow.sdk import Context
    from pendulum import DateTime

_RESULT = f"{PodDefaults.XCOM_MOUNT_PATH}/return.json"
#: Label of Dask clusters: the stage pod that made them.
POD_LABEL = "curation/pod"
_RESTRICTED = k8s.V1SecurityContext(
    allow_privilege_escalation=False, read_only_root_filesystem=True, capabilities=k8s.V1Capabilities(drop=["ALL"])
)
_SIDECAR_RESOURCES = k8s.V1ResourceRequirements(requests={"cpu": "10m", "memory": "16Mi"}, limits={"cpu": "100m", "memory": "64Mi"})


class StagePodOperator(StageTask, KubernetesPodOperator):
    """One stage of a pipeline as a pod.

    Args:
        call: The stage.
        **arguments: Of ``StageTask`` and of KubernetesPodOperator.
    """

    ui_color = "#e8f4ea"
    operator_extra_links = (DaskDashboardLink(),)

    def __init__(self, *, call: StageCall, **arguments: Any):
        self.deployment = pod_settings()
        pool = call.resources.pool
        house = {
            "name": f"{call.pipeline}-{call.stage}".replace("_", "-"),
            "namespace": self.deployment.namespace,
            "image": self.deployment.image_of(pool),
            "kubernetes_conn_id": self.deployment.connection,
            "pod_template_file": str(self.deployment.template(pool)),
            "container_resources": self._container_resources(call),
            "startup_timeout_seconds": self.deployment.startup(pool),
            "startup_check_interval_seconds": max(1, int(self.deployment.poll_seconds)),
            "do_xcom_push": True,
            "xcom_sidecar_container_security_context": _RESTRICTED,
            "deferrable": self.deployment.deferrable,
            "logging_interval": self.deployment.log_seconds or None,
            "poll_interval": self.deployment.poll_seconds,
            "container_name_log_prefix_enabled": False,
            "log_formatter": lambda container, line: one_line(line),
            # The default prints the environment of a failed pod into the log.
            "log_pod_spec_on_failure": False,
            # A failed pod is kept for who wants to look at it; Kubernetes collects it when there are many.
            "on_finish_action": "delete_succeeded_pod",
            # So the stage's own last words are known although its log may be gone.
            "termination_message_policy": "FallbackToLogsOnError",
        }
        super().__init__(call=call, **house | arguments)
        self.dashboard: str | None = None
        self._result: dict[str, Any] | None = None
        self._credentials: dict[str, str] = {}
        self._lineage: dict[str, str] = {}
        self._packed: str | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Runs the stage, or finds the pod of a try whose Airflow worker died.

        Returns:
            The result that the stage wrote.

        Raises:
            AirflowFailException: Trying again cannot help.
            AirflowException: It may.
            TaskDeferred: The triggerer waits for the pod.
        """
        self.skip_when_not_needed(context)
        inputs = self.stage_inputs(context)
        self._prepare(context, inputs)
        self._guarded(context, lambda: super(StagePodOperator, self).execute(context))
        return self._handed_on(context, inputs)

    def trigger_reentry(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Goes on when the triggerer has seen the pod end, or cannot wait any longer."""
        self._note_dashboard(event["name"], event["namespace"])
        self._guarded(context, lambda: super(StagePodOperator, self).trigger_reentry(context, event))
        return self._handed_on(context, self.stage_inputs(context))

    def on_kill(self) -> None:
        """Airflow ends the task: the pod goes, and with it its Dask cluster."""
        super().on_kill()
        if self.pod is not None:
            self._delete_clusters(self.pod)

    # --- before ------------------------------------------------------------------------------------------------------

    def _prepare(self, context: Context, inputs: Mapping[str, Mapping[str, Any]]) -> None:
        """Sets what only a run knows. After templates are rendered, so that no part of it is taken for one."""
        argv = self.stage_argv(context, inputs)
        self.log.info("%s", shlex.join(argv))
        if "--pipeline" in argv:
            # The image holds no pipeline files.
            position = argv.index("--pipeline")
            del argv[position : position + 2]
            self._packed = self._pack()
        self.cmds, self.arguments = argv[:1], argv[1:]
        names = {"pipeline": self.call.pipeline, "stage": self.call.stage, "snapshot": self.snapshot(context)}
        self.labels = {f"curation/{name}": make_safe_label_value(value) for name, value in names.items()}
        self.annotations = {f"curation/{name}": value for name, value in names.items()}
        # The key of a stage is known once it runs; those of what it reads tell what it is made of.
        self.annotations["curation/inputs"] = json.dumps({name: result["key"] for name, result in inputs.items()})
        self._credentials = storage_credentials()
        self._lineage = lineage_parent(context)

    def _pack(self) -> str:
        try:
            return pack(plan(load_pipeline(str(self.call.pipeline_file))), str(self.call.pipeline_file))
        except ConfigError as error:
            raise AirflowFailException(str(error)) from None

    def _container_resources(self, call: StageCall) -> k8s.V1ResourceRequirements | None:
        """What the pipeline asks for, when the work is done in the stage's own pod; else workers are given it."""
        asked = call.resources
        if self.deployment.cluster == "kubernetes" or (asked.memory_bytes is None and not asked.gpus):
            return None
        workers = asked.workers or 1
        wanted = {"memory": str(asked.memory_bytes * workers)} if asked.memory_bytes else {}
        gpus = {"nvidia.com/gpu": str(asked.gpus * workers)} if asked.gpus else {}
        return k8s.V1ResourceRequirements(requests=wanted | gpus, limits=wanted | gpus)

    def build_pod_request_obj(self, context: Context | None = None, *, dry_run: bool = False) -> k8s.V1Pod:
        """The pod: the template of the pool, the stage's command, and an environment that no template shows."""
        pod = super().build_pod_request_obj(context, dry_run=dry_run)
        stage = next(container for container in pod.spec.containers if container.name == self.base_container_name)
        if not stage.image:
            raise AirflowFailException(
                "no image is named for the stages\n  what to do: set CURATE_POD_IMAGE, or name one in the pod template"
            )
        given = {entry.name for entry in stage.env or []}
        ours = [k8s.V1EnvVar(name=name, value=value) for name, value in self._environment(pod, stage.image).items() if name not in given]
        fields = {"CURATE_POD_NAME": "metadata.name", "CURATE_POD_NAMESPACE": "metadata.namespace", "CURATE_POD_UID": "metadata.uid"}
        ours += [
            k8s.V1EnvVar(name=name, value_from=k8s.V1EnvVarSource(field_ref=k8s.V1ObjectFieldSelector(field_path=path)))
            for name, path in fields.items()
        ]
        stage.env = [*(stage.env or []), *ours]
        secret = k8s.V1SecretEnvSource(name=self.deployment.storage_secret, optional=not self._credentials)
        stage.env_from = [*(stage.env_from or []), k8s.V1EnvFromSource(secret_ref=secret)]
        if self.deployment.data_claim:
            claim = k8s.V1PersistentVolumeClaimVolumeSource(claim_name=self.deployment.data_claim)
            pod.spec.volumes = [*(pod.spec.volumes or []), k8s.V1Volume(name="data", persistent_volume_claim=claim)]
            stage.volume_mounts = [*(stage.volume_mounts or []), k8s.V1VolumeMount(name="data", mount_path="/data")]
        for container in pod.spec.containers:
            if container.name == PodDefaults.SIDECAR_CONTAINER_NAME:
                container.image = self.deployment.sidecar_image or stage.image
                container.resources = _SIDECAR_RESOURCES
        if self._credentials and not dry_run:
            self._write_secret(pod.metadata.namespace)
        return pod

    def _environment(self, pod: k8s.V1Pod, image: str) -> dict[str, str]:
        asked = self.call.resources
        values = {
            "CURATE_RESULT": _RESULT,
            "CURATE_CLUSTER": self.deployment.cluster,
            "CURATE_CLUSTER_NAME": cluster_name(pod.metadata.name),
            "CURATE_STORAGE_SECRET": self.deployment.storage_secret,
            "CURATE_DATA_CLAIM": self.deployment.data_claim,
            "CURATE_WORKER_IMAGE": image,
            "CURATE_WORKER_POOL": asked.pool,
            "CURATE_WORKER_MEMORY": str(asked.memory_bytes) if asked.memory_bytes else None,
            "CURATE_WORKER_GPUS": str(asked.gpus) if asked.gpus else None,
            PIPELINE_VARIABLE: self._packed,
        }
        return {name: value for name, value in values.items() if value is not None} | self._lineage

    def _write_secret(self, namespace: str) -> None:
        """Hands the credentials of the Connection on; the pod names the Secret and never holds what is in it."""
        metadata = k8s.V1ObjectMeta(name=self.deployment.storage_secret, labels={"app.kubernetes.io/name": "curate"})
        body = k8s.V1Secret(metadata=metadata, string_data=self._credentials)
        with without_debug_log("kubernetes.client.rest"):
            try:
                self.client.create_namespaced_secret(namespace, body)
            except ApiException as error:
                if error.status != 409:
                    raise AirflowException(f"the Secret {metadata.name!r} cannot be written: {error.reason}") from None
                self.client.patch_namespaced_secret(metadata.name, namespace, body)

    def get_or_create_pod(self, pod_request_obj: k8s.V1Pod, context: Context) -> k8s.V1Pod:
        """The pod of this task; the link to its dashboard is there while it runs."""
        pod = super().get_or_create_pod(pod_request_obj, context)
        self._note_dashboard(pod.metadata.name, pod.metadata.namespace)
        if self.dashboard:
            context["ti"].xcom_push(key=self.operator_extra_links[0].xcom_key, value=self.dashboard)
        return pod

    def _note_dashboard(self, pod_name: str, namespace: str) -> None:
        if self.deployment.cluster == "kubernetes":
            self.dashboard = self.deployment.dashboard_url.format(namespace=namespace, cluster=cluster_name(pod_name))

    def invoke_defer_method(self, last_log_time: DateTime | None = None, context: Context | None = None) -> None:
        """Tells the triggerer which cluster it is. Without a Connection it would look for a kubeconfig, and only for that."""
        if self.in_cluster is None and not self.config_file and not names_cluster(self.kubernetes_conn_id):
            self.in_cluster = True if "KUBERNETES_SERVICE_HOST" in os.environ and not os.environ.get("KUBECONFIG") else None
        super().invoke_defer_method(last_log_time, context)

    def convert_config_file_to_dict(self) -> None:
        """Hands a kubeconfig on to the triggerer, which takes one way alone: `KUBECONFIG` only where no Connection names a cluster."""
        super().convert_config_file_to_dict()
        if not self.config_file and (self.in_cluster or names_cluster(self.kubernetes_conn_id)):
            self._config_dict = None

    # --- after -------------------------------------------------------------------------------------------------------

    def _guarded(self, context: Context, run: Any) -> None:
        """Runs the inherited part. A result once read is enough: the stage has committed, whatever fails behind it."""
        deferred = False
        try:
            run()
        except TaskDeferred:
            deferred = True
            raise
        except AirflowSkipException:
            raise
        except Exception as error:
            if self._result is not None:
                self.log.warning("the stage is done; what failed afterwards does not matter: %s", error)
                return
            if isinstance(error, PodNotFoundException) or api_status(error) == 404:
                raise self.stage_failure(*pod_fate(None, self.base_container_name), "", context) from error
            status = api_status(error)
            if status in (401, 403):
                raise refusal(api_message(error)) from error
            if isinstance(error, HTTPError) or status == 429 or status >= 500:
                raise AirflowException(
                    f"the API of Kubernetes does not answer: {error}\n"
                    "  what to do: look at the control plane of the cluster; the next try goes on with the same pod"
                ) from error
            raise
        finally:
            if not deferred:
                self.dashboard = None  # the cluster goes with the stage; Airflow hides a link that leads nowhere

    def extract_xcom(self, pod: k8s.V1Pod, **options: Any) -> dict[str, Any] | None:
        """Keeps the result: where the inherited code goes on inline it would lose it."""
        result = super().extract_xcom(pod, **options)
        if result is not None:
            self._result = checked_result(json.dumps(result).encode(), self.call)
        return result

    def _handed_on(self, context: Context, inputs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        if self._result is None:
            # A pod that was gone before its result was read; the next try finds the commit.
            checked_result(None, self.call)
            raise AssertionError
        self.describe_events(context, inputs, self._result)
        return self._result

    def cleanup(
        self, pod: k8s.V1Pod, remote_pod: k8s.V1Pod, xcom_result: dict[str, Any] | None = None, context: Context | None = None
    ) -> None:
        """Marks or deletes the pod, and says what its end means.

        Raises:
            AirflowException: It did not succeed.
        """
        if self._killed or context is None:
            return
        # What the inherited code was about to raise when it came here to clean up: the reason, where the pod knows of none.
        pending = sys.exc_info()[1]
        latest = self._latest(remote_pod or pod)
        try:
            super().cleanup(pod, latest, xcom_result, context)
        except AirflowException as error:
            assert latest is not None
            warnings = self._warnings(latest)
            said = termination_message(latest, self.base_container_name)
            if not has_ended(latest, self.base_container_name):
                # Never started, or time is up: what is still there must not start once nobody looks.
                self.pod_manager.delete_pod(latest)
                said = str(pending or "")
            self._delete_clusters(latest)
            raise self.stage_failure(*pod_fate(latest, self.base_container_name, warnings), _error_in(said), context) from error

    def _latest(self, pod: k8s.V1Pod) -> k8s.V1Pod | None:
        """The pod as it is now: what the inherited code remembers may be of the time before it ended."""
        try:
            return self.client.read_namespaced_pod(pod.metadata.name, pod.metadata.namespace)
        except ApiException as error:
            if error.status == 404:
                return None
            raise

    def _warnings(self, pod: k8s.V1Pod) -> list[str]:
        try:
            events = self.pod_manager.read_pod_events(pod).items
        except (ApiException, AirflowException):
            return []
        return [event.message for event in events if event.type == "Warning" and event.message]

    def _delete_clusters(self, pod: k8s.V1Pod) -> None:
        """Deletes the Dask cluster of a pod that could not do so itself. Kubernetes does it too when the pod goes."""
        if self.deployment.cluster != "kubernetes":
            return
        place = {"group": "kubernetes.dask.org", "version": "v1", "namespace": pod.metadata.namespace, "plural": "daskclusters"}
        try:
            CustomObjectsApi(self.client.api_client).delete_collection_namespaced_custom_object(
                **place, label_selector=f"{POD_LABEL}={pod.metadata.name}"
            )
        except ApiException as error:
            self.log.warning("Dask clusters of pod %s cannot be deleted: %s", pod.metadata.name, error.reason)


def _error_in(message: str) -> str:
    """What a stage said at its end, without its log entries."""
    output = StageOutput(None)
    for line in message.splitlines():
        output.remember(line)
    return output.error()
