// Command messenger is a small instant-messaging service as its users build them: HTTP in front, inboxes in Redis, messages in
// MariaDB, one task per request with a region for each of the two. A second process is its clients: of five requests one sends a
// message, four read an inbox.
//
//	cd test/workloads/messenger && go run . -redis 127.0.0.1:6379 -mariadb 'root@tcp(127.0.0.1:3306)/' -rate 200
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/trace"
	"strconv"
	"strings"
	"sync/atomic"

	_ "github.com/go-sql-driver/mysql" // registers "mysql"
	"github.com/redis/go-redis/v9"

	"dualtrace.test/workloads/internal/harness"
)

var (
	redisAddress = flag.String("redis", "127.0.0.1:6379", "address of Redis")
	mariadb      = flag.String("mariadb", "root@tcp(127.0.0.1:3306)/", "data source name of MariaDB; the database `messenger` is made anew")
	rate         = flag.Int("rate", 200, "requests per second")
	clients      = flag.Int("clients", 8, "connections of the clients")
	connect      = flag.String("connect", "", "address the client role connects to")
)

const (
	users     = 100
	inboxSize = 20
)

func main() {
	harness.Main("messenger", run, map[string]func(context.Context) harness.Counts{"client": client})
}

type message struct {
	From int    `json:"from"`
	To   int    `json:"to"`
	Text string `json:"text"`
}

type messenger struct {
	redis           *redis.Client
	db              *sql.DB
	insert          *sql.Stmt
	sent, inboxRead atomic.Int64
}

func run(ctx context.Context) harness.Counts {
	service := &messenger{
		redis: redis.NewClient(&redis.Options{Addr: *redisAddress, PoolSize: *clients}),
		db:    openDatabase(ctx),
	}
	defer service.db.Close()
	defer service.redis.Close()
	var err error
	service.insert, err = service.db.PrepareContext(ctx, "INSERT INTO messages (sender, recipient, text) VALUES (?, ?, ?)")
	harness.Must(err)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /send", service.send)
	mux.HandleFunc("GET /inbox", service.inbox)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	harness.Must(err)
	server := &http.Server{Handler: mux}
	go func() { _ = server.Serve(listener) }()
	child := harness.StartChild("client", "-connect", listener.Addr().String(),
		"-rate", strconv.Itoa(*rate), "-clients", strconv.Itoa(*clients))
	<-ctx.Done()
	counts := child.Stop()
	_ = server.Close()
	counts["sent"] = service.sent.Load()
	counts["inboxRead"] = service.inboxRead.Load()
	return counts
}

func openDatabase(ctx context.Context) *sql.DB {
	server, err := sql.Open("mysql", *mariadb)
	harness.Must(err)
	defer server.Close()
	for _, statement := range []string{
		"DROP DATABASE IF EXISTS messenger",
		"CREATE DATABASE messenger",
		"CREATE TABLE messenger.messages (id BIGINT AUTO_INCREMENT PRIMARY KEY, sender INT, recipient INT, text TEXT) ENGINE=InnoDB",
	} {
		_, err = server.ExecContext(ctx, statement)
		harness.Must(err)
	}
	db, err := sql.Open("mysql", *mariadb+"messenger")
	harness.Must(err)
	db.SetMaxOpenConns(*clients)
	db.SetMaxIdleConns(*clients)
	return db
}

func inboxKey(user int) string {
	return fmt.Sprintf("inbox:%d", user)
}

func (service *messenger) send(w http.ResponseWriter, request *http.Request) {
	ctx, task := trace.NewTask(request.Context(), "send")
	defer task.End()
	var in message
	if err := json.NewDecoder(request.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var err error
	trace.WithRegion(ctx, "store", func() { _, err = service.insert.ExecContext(ctx, in.From, in.To, in.Text) })
	if err == nil {
		trace.WithRegion(ctx, "deliver", func() { err = service.deliver(ctx, in) })
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	service.sent.Add(1)
	w.WriteHeader(http.StatusNoContent)
}

func (service *messenger) deliver(ctx context.Context, in message) error {
	text, err := json.Marshal(in)
	if err != nil {
		return err
	}
	_, err = service.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.LPush(ctx, inboxKey(in.To), text)
		pipe.LTrim(ctx, inboxKey(in.To), 0, inboxSize-1)
		return nil
	})
	return err
}

func (service *messenger) inbox(w http.ResponseWriter, request *http.Request) {
	ctx, task := trace.NewTask(request.Context(), "inbox")
	defer task.End()
	user, err := strconv.Atoi(request.FormValue("user"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var texts []string
	trace.WithRegion(ctx, "list", func() { texts, err = service.redis.LRange(ctx, inboxKey(user), 0, -1).Result() })
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	service.inboxRead.Add(1)
	_, _ = io.WriteString(w, "["+strings.Join(texts, ",")+"]")
}

func client(ctx context.Context) harness.Counts {
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = *clients
	var failed atomic.Int64
	harness.Load(ctx, *clients, *rate, func(n int) {
		if err := ask(ctx, n); err != nil && ctx.Err() == nil {
			failed.Add(1)
		}
	})
	return harness.Counts{"failed": failed.Load()}
}

func ask(ctx context.Context, n int) error {
	user := n * 7 % users
	method, path, body := http.MethodGet, fmt.Sprintf("/inbox?user=%d", user), ""
	if n%5 == 0 {
		method, path = http.MethodPost, "/send"
		body = fmt.Sprintf(`{"from": %d, "to": %d, "text": "are you there? %d"}`, user, (user+1)%users, n)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+*connect+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s", response.Status)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err
}
