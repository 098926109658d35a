// Command kubernetes runs a control plane of Kubernetes in one process, for tests: etcd, kube-apiserver and
// the controllers of Deployments and ReplicaSets, all of them the real ones, and a stand-in for scheduler and
// kubelets that binds each pod to a node that takes it, calls it ready, and ends it when it is deleted.
//
// Who comes with the token theriac-test may do everything, with theriac-test-guest nothing.
//
//	kubernetes DIR PORT      an API server on 127.0.0.1:PORT, etcd on the two ports behind; the kubeconfig is DIR/kubeconfig
package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/pkg/controller/deployment"
	"k8s.io/kubernetes/pkg/controller/replicaset"
)

const token = "theriac-test"

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("say: kubernetes DIR PORT"))
	}
	dir := os.Args[1]
	port, err := strconv.Atoi(os.Args[2])
	check(err)
	store := startStore(dir, port+1)
	check(os.WriteFile(filepath.Join(dir, "tokens"), []byte(token+",theriac,1,system:masters\n"+token+"-guest,guest,2\n"), 0o600))
	check(os.WriteFile(filepath.Join(dir, "kubeconfig"), []byte(kubeconfig(port)), 0o600))
	go control(dir, port)
	server := app.NewAPIServerCommand()
	server.SetArgs([]string{
		"--etcd-servers=" + store,
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(port),
		"--cert-dir=" + filepath.Join(dir, "certificates"),
		"--token-auth-file=" + filepath.Join(dir, "tokens"),
		"--authorization-mode=RBAC",
		"--service-cluster-ip-range=10.0.0.0/24",
		"--service-account-issuer=https://theriac.test",
		"--service-account-key-file=" + serviceKey(dir),
		"--service-account-signing-key-file=" + serviceKey(dir),
		"--disable-admission-plugins=ServiceAccount",
		"--endpoint-reconciler-type=none",
	})
	check(server.Execute())
}

// startStore runs etcd on two ports and gives its address.
func startStore(dir string, port int) string {
	settings := embed.NewConfig()
	settings.Dir = filepath.Join(dir, "etcd")
	settings.LogLevel = "error"
	settings.UnsafeNoFsync = true
	client := url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port)}
	peer := url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port+1)}
	settings.ListenClientUrls, settings.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	settings.ListenPeerUrls, settings.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	settings.InitialCluster = settings.Name + "=" + peer.String()
	etcd, err := embed.StartEtcd(settings)
	check(err)
	<-etcd.Server.ReadyNotify()
	return client.String()
}

// control runs the controllers as soon as the API server answers, and says so with a file.
func control(dir string, port int) {
	client, err := kubernetes.NewForConfig(&rest.Config{
		Host:            fmt.Sprintf("https://127.0.0.1:%d", port),
		BearerToken:     token,
		TLSClientConfig: rest.TLSClientConfig{Insecure: true},
		QPS:             1000,
		Burst:           1000,
	})
	check(err)
	for {
		if _, err := client.CoreV1().Namespaces().Get(context.TODO(), "default", meta.GetOptions{}); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	ctx := context.Background()
	factory := informers.NewSharedInformerFactory(client, 0)
	deployments, sets, pods := factory.Apps().V1().Deployments(), factory.Apps().V1().ReplicaSets(), factory.Core().V1().Pods()
	ofDeployments, err := deployment.NewDeploymentController(ctx, deployments, sets, pods, client)
	check(err)
	ofSets := replicaset.NewReplicaSetController(ctx, sets, pods, client, replicaset.BurstReplicas)
	factory.Start(ctx.Done())
	go ofDeployments.Run(ctx, 2)
	go ofSets.Run(ctx, 2)
	factory.WaitForCacheSync(ctx.Done())
	check(os.WriteFile(filepath.Join(dir, "ready"), nil, 0o600))
	for {
		runPods(ctx, client)
		time.Sleep(50 * time.Millisecond)
	}
}

// runPods does what scheduler and kubelets would with pods as they are now. What another writer has changed
// meanwhile is met again in the next round.
func runPods(ctx context.Context, client kubernetes.Interface) {
	nodes, err := client.CoreV1().Nodes().List(ctx, meta.ListOptions{})
	if err != nil {
		return
	}
	pods, err := client.CoreV1().Pods("").List(ctx, meta.ListOptions{})
	if err != nil {
		return
	}
	on := map[string]int{}
	for _, pod := range pods.Items {
		on[pod.Spec.NodeName]++
	}
	for _, pod := range pods.Items {
		of := client.CoreV1().Pods(pod.Namespace)
		switch {
		case pod.DeletionTimestamp != nil:
			now := int64(0)
			_ = of.Delete(ctx, pod.Name, meta.DeleteOptions{GracePeriodSeconds: &now})
		case pod.Spec.NodeName == "":
			if node := emptiest(nodes.Items, pod.Spec.NodeSelector, on); node != "" {
				target := core.ObjectReference{Kind: "Node", Name: node}
				if of.Bind(ctx, &core.Binding{ObjectMeta: meta.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace}, Target: target}, meta.CreateOptions{}) == nil {
					on[node]++
				}
			}
		case pod.Status.Phase == core.PodPending && pod.Labels["theriac.test/hangs"] == "":
			now := meta.Now()
			pod.Status.Phase = core.PodRunning
			pod.Status.StartTime = &now
			pod.Status.Conditions = []core.PodCondition{{Type: core.PodReady, Status: core.ConditionTrue, LastTransitionTime: now}}
			_, _ = of.UpdateStatus(ctx, &pod, meta.UpdateOptions{})
		}
	}
}

// emptiest gives the node with the fewest pods of those that take some and have these labels.
func emptiest(nodes []core.Node, selector map[string]string, on map[string]int) string {
	found := ""
	for _, node := range nodes {
		fits := labels.SelectorFromSet(selector).Matches(labels.Set(node.Labels))
		if fits && !node.Spec.Unschedulable && (found == "" || on[node.Name] < on[found]) {
			found = node.Name
		}
	}
	return found
}

func kubeconfig(port int) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: test
contexts: [{ name: test, context: { cluster: test, user: test } }]
clusters: [{ name: test, cluster: { server: "https://127.0.0.1:%d", insecure-skip-tls-verify: true } }]
users: [{ name: test, user: { token: %s } }]
`, port, token)
}

func check(err error) {
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "kubernetes:", err)
	os.Exit(1)
}
