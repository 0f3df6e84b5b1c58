// Command rpc is a healthy service: moderate HTTP load from a second process, small allocations, a task with two
// regions per request, the garbage collector as it comes. Nothing here should raise a finding.
//
//	cd test/workloads && go run ./rpc -duration 5s -rate 300
package main

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"net"
	"net/http"
	"runtime/trace"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"dualtrace.test/workloads/internal/harness"
)

var (
	rate    = flag.Int("rate", 300, "requests per second")
	clients = flag.Int("clients", 6, "connections of the client")
	connect = flag.String("connect", "", "address the client role connects to")
)

func main() {
	harness.Main("rpc", run, map[string]func(context.Context) harness.Counts{"client": client})
}

type order struct {
	ID    int      `json:"id"`
	Items []string `json:"items"`
}

// service keeps its state in one goroutine, as many do, so that a request also has a channel to wait for.
type service struct {
	prices chan priceQuery
	served atomic.Int64
}

type priceQuery struct {
	item  string
	price chan<- int
}

func run(ctx context.Context) harness.Counts {
	service := &service{prices: make(chan priceQuery)}
	go service.priceList()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	harness.Must(err)
	server := &http.Server{Handler: http.HandlerFunc(service.handleOrder)}
	go func() { _ = server.Serve(listener) }()
	child := harness.StartChild("client", "-connect", listener.Addr().String(),
		"-rate", strconv.Itoa(*rate), "-clients", strconv.Itoa(*clients))
	<-ctx.Done()
	counts := child.Stop()
	_ = server.Close()
	counts["requestsServed"] = service.served.Load()
	return counts
}

func (service *service) priceList() {
	known := map[string]int{"tea": 3, "coffee": 4, "cake": 5}
	for query := range service.prices {
		query.price <- known[query.item]
	}
}

func (service *service) handleOrder(w http.ResponseWriter, request *http.Request) {
	ctx, task := trace.NewTask(request.Context(), "order")
	defer task.End()
	var in order
	var err error
	trace.WithRegion(ctx, "decode", func() { err = json.NewDecoder(request.Body).Decode(&in) })
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	total := 0
	trace.WithRegion(ctx, "price", func() {
		price := make(chan int)
		for _, item := range in.Items {
			service.prices <- priceQuery{item, price}
			total += <-price
		}
	})
	trace.Logf(ctx, "total", "%d", total)
	service.served.Add(1)
	_ = json.NewEncoder(w).Encode(map[string]int{"id": in.ID, "total": total})
}

func client(ctx context.Context) harness.Counts {
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = *clients
	var late, failed atomic.Int64
	harness.Load(ctx, *clients, *rate, func(int) {
		before := time.Now()
		if err := post(ctx); err != nil && ctx.Err() == nil {
			failed.Add(1)
		}
		if time.Since(before) > 10*time.Millisecond {
			late.Add(1)
		}
	})
	return harness.Counts{"answersOver10ms": late.Load(), "failed": failed.Load()}
}

func post(ctx context.Context) error {
	body := strings.NewReader(`{"id": 1, "items": ["tea", "coffee", "cake"]}`)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+*connect+"/order", body)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}
