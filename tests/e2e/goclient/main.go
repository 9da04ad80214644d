// tests/e2e/goclient/main.go - goclient SOCKET CASE: kukeond as Go's own net/rpc/jsonrpc sees it.
//
// The codec and the argument types are those of a Go program that talks to kukeond; nothing here knows
// the daemon. A case prints nothing and ends with status 0, or says what differs.
package main

import (
	"fmt"
	"net"
	"net/rpc"
	"net/rpc/jsonrpc"
	"os"
	"strings"
	"sync"
	"time"
)

const limit = 60 * time.Second

type client struct {
	rpc *rpc.Client
}

func check(ok bool, format string, args ...any) {
	if !ok {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
		os.Exit(1)
	}
}

func dial(path string) *client {
	conn, err := net.DialTimeout("unix", path, 5*time.Second)
	check(err == nil, "dial: %v", err)
	return &client{jsonrpc.NewClient(conn)}
}

// try makes a call that may fail on the wire.
func (c *client) try(method string, args, reply any) error {
	select {
	case call := <-c.rpc.Go("KukeonV1."+method, args, reply, make(chan *rpc.Call, 1)).Done:
		return call.Error
	case <-time.After(limit):
		return fmt.Errorf("no answer within %v", limit)
	}
}

// call makes one that the codec must understand.
func (c *client) call(method string, args, reply any) {
	err := c.try(method, args, reply)
	check(err == nil, "%s: %v", method, err)
}

func realm(name string) realmArgs {
	args := realmArgs{}
	args.Doc.Metadata.Name = name
	return args
}

func cell(name string) cellArgs {
	args := cellArgs{}
	args.Doc.Metadata.Name = name
	args.Doc.Spec.RealmID, args.Doc.Spec.SpaceID, args.Doc.Spec.StackID = "r", "s", "t"
	return args
}

func ping(c *client) {
	for i := 0; i < 3; i++ {
		reply := pingReply{}
		c.call("Ping", struct{}{}, &reply)
		check(reply.OK && reply.Version != "" && reply.Err == nil, "ping: %+v", reply)
	}
}

func create(c *client) {
	r := createRealmReply{}
	c.call("CreateRealm", realm("r"), &r)
	check(r.Err == nil && r.Result.Created && !r.Result.MetadataExistsPre && r.Result.MetadataExistsPost &&
		r.Result.ContainerdNamespaceCreated, "realm: %+v", r)
	check(r.Result.Realm.Status.State.label == "Ready" && !r.Result.Realm.Status.ReadyAt.IsZero(),
		"realm status: %+v", r.Result.Realm.Status)
	again := createRealmReply{}
	c.call("CreateRealm", realm("r"), &again)
	check(again.Err == nil && !again.Result.Created && again.Result.MetadataExistsPre, "again: %+v", again)
	space := spaceArgs{}
	space.Doc.Metadata.Name, space.Doc.Spec.RealmID = "s", "r"
	s := createSpaceReply{}
	c.call("CreateSpace", space, &s)
	check(s.Err == nil && s.Result.Created && s.Result.CNINetworkCreated, "space: %+v", s)
	check(strings.HasSuffix(s.Result.Space.Spec.CNIConfigPath, "/r/s/network.conflist"), "conflist: %+v", s)
	stack := stackArgs{}
	stack.Doc.Metadata.Name, stack.Doc.Spec.RealmID, stack.Doc.Spec.SpaceID = "t", "r", "s"
	t := createStackReply{}
	c.call("CreateStack", stack, &t)
	check(t.Err == nil && t.Result.Created && t.Result.Stack.Spec.ID == "t", "stack: %+v", t)
}

const manifest = `
kind: Cell
metadata: {name: web, labels: {note: "a<b>&c"}}
spec:
  id: web
  realmId: r
  spaceId: s
  stackId: t
  containers:
    - {id: main, image: busybox, command: /bin/sleep, args: ["1000"], env: ["A=<1>&2"]}
`

func apply(c *client) {
	reply := documentsReply{}
	c.call("ApplyDocuments", documentsArgs{RawYAML: []byte(manifest)}, &reply)
	check(reply.Err == nil && len(reply.Result.Resources) == 1, "apply: %+v", reply)
	entry := reply.Result.Resources[0]
	check(entry.Kind == "Cell" && entry.Name == "web" && entry.Action == "created", "apply: %+v", entry)
	bad := documentsReply{}
	c.call("ApplyDocuments", documentsArgs{RawYAML: []byte("kind: Bogus\n")}, &bad)
	check(bad.Err != nil && bad.Err.Kind == "Unknown" && len(bad.Result.Resources) == 0, "bad apply: %+v", bad)
}

func get(c *client) {
	reply := getCellReply{}
	c.call("GetCell", cell("web"), &reply)
	result := reply.Result
	check(reply.Err == nil && result.MetadataExists && result.RootContainerTaskRunning, "get: %+v", reply)
	check(result.Cell.Status.State.label == "Ready", "state: %+v", result.Cell.Status)
	check(result.Cell.Metadata.Labels["note"] == "a<b>&c", "labels: %+v", result.Cell.Metadata)
	check(net.ParseIP(result.Cell.Status.Network.IP) != nil, "network: %+v", result.Cell.Status.Network)
	spec := result.Cell.Spec.Containers[0]
	check(spec.ContainerdID == "s_t_web_main" && spec.Env[0] == "A=<1>&2", "container: %+v", spec)
	started := result.Cell.Status.Containers[0].StartTime
	check(time.Since(started) < time.Hour, "start time: %v", started)
	missing := getCellReply{}
	c.call("GetCell", cell("nope"), &missing)
	check(missing.Err == nil && !missing.Result.MetadataExists && missing.Result.Cell.Metadata.Name == "",
		"missing: %+v", missing)
}

func list(c *client) {
	cells := listCellsReply{}
	c.call("ListCells", listArgs{RealmName: "r"}, &cells)
	check(cells.Err == nil && len(cells.Cells) == 1 && cells.Cells[0].Metadata.Name == "web", "cells: %+v", cells)
	containers := listContainersReply{}
	c.call("ListContainers", listArgs{CellName: "web"}, &containers)
	check(containers.Err == nil && len(containers.Containers) == 1 && containers.Containers[0].ID == "main",
		"containers: %+v", containers)
	none := listCellsReply{}
	c.call("ListCells", listArgs{RealmName: "nope"}, &none)
	check(none.Err == nil && len(none.Cells) == 0, "none: %+v", none)
}

func lifecycle(c *client) {
	stopped, started, killed := cellVerbReply{}, cellVerbReply{}, cellVerbReply{}
	c.call("StopCell", cell("web"), &stopped)
	check(stopped.Err == nil && stopped.Result.Stopped, "stop: %+v", stopped)
	check(stopped.Result.Cell.Status.State.label == "Stopped", "stop: %+v", stopped.Result.Cell.Status)
	c.call("StartCell", cell("web"), &started)
	check(started.Err == nil && started.Result.Started, "start: %+v", started)
	check(started.Result.Cell.Status.State.label == "Ready", "start: %+v", started.Result.Cell.Status)
	c.call("KillCell", cell("web"), &killed)
	check(killed.Err == nil && killed.Result.Killed, "kill: %+v", killed)
	check(killed.Result.Cell.Status.State.label == "Stopped", "kill: %+v", killed.Result.Cell.Status)
}

// failures keep the connection usable, whichever way they are told.
func failures(c *client) {
	refused := deleteRealmReply{}
	c.call("DeleteRealm", realm("r"), &refused)
	check(refused.Err != nil && refused.Err.Kind == "ResourceHasDependencies" &&
		strings.Contains(refused.Err.Message, `realm "r" has 1 space(s)`) && refused.Result.Deleted == nil,
		"delete: %+v", refused)
	unnamed := getRealmReply{}
	c.call("GetRealm", realm(""), &unnamed)
	check(unnamed.Err != nil && unnamed.Err.Kind == "RealmNameRequired", "get: %+v", unnamed)
	space := spaceArgs{}
	space.Doc.Metadata.Name, space.Doc.Spec.RealmID = "s", "nope"
	orphan := createSpaceReply{}
	c.call("CreateSpace", space, &orphan)
	check(orphan.Err != nil && orphan.Err.Kind == "RealmNotFound", "create: %+v", orphan)
	err := c.try("Nope", struct{}{}, &struct{}{})
	check(err != nil && err.Error() == "rpc: can't find method KukeonV1.Nope", "nope: %v", err)
	err = c.try("GetRealm", map[string]int{"Doc": 5}, &getRealmReply{})
	check(err != nil && strings.HasPrefix(err.Error(), "json: cannot unmarshal"), "wrong type: %v", err)
	ping(c)
}

func concurrent(c *client) {
	var group sync.WaitGroup
	for i := 0; i < 100; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			switch i % 4 {
			case 0:
				reply := pingReply{}
				c.call("Ping", struct{}{}, &reply)
				check(reply.OK, "ping %d: %+v", i, reply)
			case 1:
				reply := listCellsReply{}
				c.call("ListCells", listArgs{RealmName: "r"}, &reply)
				check(len(reply.Cells) == 1, "list %d: %+v", i, reply)
			case 2:
				reply := getRealmReply{}
				c.call("GetRealm", realm("r"), &reply)
				check(reply.Result.Realm.Metadata.Name == "r", "get %d: %+v", i, reply)
			case 3:
				name := fmt.Sprintf("g%d", i)
				made, gone := createRealmReply{}, deleteRealmReply{}
				c.call("CreateRealm", realm(name), &made)
				check(made.Err == nil && made.Result.Created && made.Result.Realm.Metadata.Name == name,
					"create %d: %+v", i, made)
				c.call("DeleteRealm", realm(name), &gone)
				check(gone.Err == nil && gone.Result.MetadataDeleted, "delete %d: %+v", i, gone)
			}
		}()
	}
	group.Wait()
}

func remove(c *client) {
	gone := deleteCellReply{}
	c.call("DeleteCell", cell("web"), &gone)
	check(gone.Err == nil && gone.Result.ContainersDeleted && gone.Result.MetadataDeleted, "cell: %+v", gone)
	again := deleteCellReply{}
	c.call("DeleteCell", cell("web"), &again)
	check(again.Err != nil && strings.Contains(again.Err.Message, `cell "web" not found`), "again: %+v", again)
	args := realm("r")
	args.Cascade = true
	reply := deleteRealmReply{}
	c.call("DeleteRealm", args, &reply)
	check(reply.Err == nil && strings.Join(reply.Result.Deleted, " ") == "space:s metadata cgroup namespace",
		"realm: %+v", reply)
}

func main() {
	cases := map[string]func(*client){"ping": ping, "create": create, "apply": apply, "get": get, "list": list,
		"lifecycle": lifecycle, "failures": failures, "concurrent": concurrent, "remove": remove}
	check(len(os.Args) == 3 && cases[os.Args[2]] != nil, "usage: goclient SOCKET CASE")
	c := dial(os.Args[1])
	cases[os.Args[2]](c)
	check(c.rpc.Close() == nil, "the connection had ended")
}
