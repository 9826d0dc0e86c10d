package pool

import (
	"errors"
	"time"
)

// A task is an asynchronous call.
type task struct {
	ref, uuid, name string
	status          string
	failure         apiError
	created         time.Time
	stuck           bool
}

func (t *task) record() record {
	return record{
		{"uuid", t.uuid},
		{"name_label", t.name},
		{"name_description", ""},
		{"allowed_operations", listOf("cancel")},
		{"current_operations", record{}},
		{"created", t.created},
		{"finished", t.created},
		{"status", t.status},
		{"resident_on", nullRef},
		{"progress", progress(t.status)},
		{"type", "<none/>"},
		{"result", ""},
		{"error_info", listOf(t.failure...)},
		{"other_config", record{}},
		{"subtask_of", nullRef},
		{"subtasks", list{}},
		{"backtrace", "()"},
	}
}

func progress(status string) float64 {
	if status == "pending" {
		return 0
	}
	return 1
}

func taskRows(c *call) (all []row) {
	for _, t := range c.member.db.tasks {
		all = append(all, row{t.ref, t.record()})
	}
	return all
}

// async lets the method run on, and answers with a task.
func async(name string, do func(*call) (any, error)) func(*call) (any, error) {
	return func(c *call) (any, error) {
		t := &task{ref: newRef(), uuid: newUUID(), name: "Async." + name, status: "pending", created: time.Now(), stuck: c.pool.stuckTasks}
		c.member.db.tasks = append(c.member.db.tasks, t)
		c.pool.work.Add(1) // this call counts, so Close is not waiting with nothing
		background := *c
		go background.finish(t, do)
		return t.ref, nil
	}
}

func (c *call) finish(t *task, do func(*call) (any, error)) {
	defer c.pool.work.Done()
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	_, err := do(c)
	for t.stuck {
		if c.waitForChange() != nil {
			return
		}
	}
	switch {
	case errors.Is(err, errGone) || t.status != "pending":
	case errors.As(err, &t.failure):
		t.status = "failure"
	default:
		t.status = "success"
	}
}

// TasksNeverEnd lets the tasks that begin from now on stay pending, though what
// they do is done.
func (p *Pool) TasksNeverEnd() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stuckTasks = true
}

func (c *call) task() (int, error) {
	ref, err := c.text(0)
	if err != nil {
		return 0, err
	}
	for i, t := range c.member.db.tasks {
		if t.ref == ref {
			return i, nil
		}
	}
	return 0, handleInvalid("task", ref)
}

// cancelTask is a wish: what is done goes on.
func cancelTask(c *call) (any, error) {
	i, err := c.task()
	if err != nil {
		return nil, err
	}
	t := c.member.db.tasks[i]
	if t.status == "pending" && !t.stuck {
		t.status, t.failure = "cancelled", apiError{"TASK_CANCELLED", t.ref}
	}
	return nil, nil
}

func destroyTask(c *call) (any, error) {
	i, err := c.task()
	if err != nil {
		return nil, err
	}
	c.member.db.tasks = append(c.member.db.tasks[:i], c.member.db.tasks[i+1:]...)
	return nil, nil
}
