// tests/e2e/goclient/document.go - the v1beta1 documents, typed as a Go client types them.
package main

import (
	"encoding/json"
	"fmt"
	"time"
)

// state is a label. What is no label of its kind must not be sent, and fails here as it does there.
type state struct {
	label string
}

var labels = []string{"Pending", "Creating", "Ready", "Deleting", "Failed", "Unknown", "Stopped", "Exited",
	"Error", "Degraded", "Paused", "Pausing", "NotCreated"}

func (s state) MarshalJSON() ([]byte, error) {
	if s.label == "" {
		return []byte(`"Pending"`), nil
	}
	return json.Marshal(s.label)
}

func (s *state) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, &s.label); err != nil {
		return fmt.Errorf("state: %s: %w", data, err)
	}
	for _, label := range labels {
		if s.label == label {
			return nil
		}
	}
	return fmt.Errorf("state: unknown label %q", s.label)
}

type metadata struct {
	Name       string            `json:"name"`
	Labels     map[string]string `json:"labels"`
	Generation int64             `json:"generation,omitempty"`
}

type status struct {
	State              state     `json:"state"`
	CgroupPath         string    `json:"cgroupPath,omitempty"`
	SubtreeControllers []string  `json:"subtreeControllers,omitempty"`
	CreatedAt          time.Time `json:"createdAt,omitempty"`
	UpdatedAt          time.Time `json:"updatedAt,omitempty"`
	ReadyAt            time.Time `json:"readyAt,omitempty"`
	Reason             string    `json:"reason,omitempty"`
	Message            string    `json:"message,omitempty"`
	CgroupReady        bool      `json:"cgroupReady,omitempty"`
	ObservedGeneration int64     `json:"observedGeneration,omitempty"`
}

type realmDoc struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   metadata `json:"metadata"`
	Spec       struct {
		Namespace string `json:"namespace"`
	} `json:"spec"`
	Status status `json:"status"`
}

type spaceDoc struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   metadata `json:"metadata"`
	Spec       struct {
		RealmID       string `json:"realmId"`
		CNIConfigPath string `json:"cniConfigPath,omitempty"`
	} `json:"spec"`
	Status status `json:"status"`
}

type stackDoc struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   metadata `json:"metadata"`
	Spec       struct {
		ID      string `json:"id"`
		RealmID string `json:"realmId"`
		SpaceID string `json:"spaceId"`
	} `json:"spec"`
	Status status `json:"status"`
}

type volumeMount struct {
	Kind     string `json:"kind,omitempty"`
	Source   string `json:"source,omitempty"`
	Target   string `json:"target"`
	ReadOnly bool   `json:"readOnly,omitempty"`
}

type containerSpec struct {
	ID              string        `json:"id"`
	ContainerdID    string        `json:"containerdId,omitempty"`
	RealmID         string        `json:"realmId"`
	SpaceID         string        `json:"spaceId"`
	StackID         string        `json:"stackId"`
	CellID          string        `json:"cellId"`
	Root            bool          `json:"root,omitempty"`
	Image           string        `json:"image"`
	Command         string        `json:"command"`
	Args            []string      `json:"args"`
	Env             []string      `json:"env"`
	Ports           []string      `json:"ports"`
	Volumes         []volumeMount `json:"volumes"`
	Networks        []string      `json:"networks"`
	NetworksAliases []string      `json:"networksAliases"`
	Privileged      bool          `json:"privileged"`
	RestartPolicy   string        `json:"restartPolicy"`
}

type containerStatus struct {
	Name         string    `json:"name"`
	ID           string    `json:"id"`
	State        state     `json:"state"`
	CreatedAt    time.Time `json:"createdAt,omitempty"`
	RestartCount int       `json:"restartCount"`
	RestartTime  time.Time `json:"restartTime"`
	StartTime    time.Time `json:"startTime"`
	FinishTime   time.Time `json:"finishTime"`
	ExitCode     int       `json:"exitCode"`
	ExitSignal   string    `json:"exitSignal"`
}

type cellStatus struct {
	status
	Network struct {
		BridgeName string `json:"bridgeName,omitempty"`
		IP         string `json:"ip,omitempty"`
	} `json:"network,omitempty"`
	Containers    []containerStatus `json:"containers"`
	ReadyObserved bool              `json:"readyObserved,omitempty"`
}

type cellDoc struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   metadata `json:"metadata"`
	Spec       struct {
		ID         string          `json:"id"`
		RealmID    string          `json:"realmId"`
		SpaceID    string          `json:"spaceId"`
		StackID    string          `json:"stackId"`
		Containers []containerSpec `json:"containers"`
	} `json:"spec"`
	Status cellStatus `json:"status"`
}

// apiError is what a reply says went wrong.
type apiError struct {
	Kind    string
	Message string
}

type realmArgs struct {
	Doc     realmDoc
	Force   bool
	Cascade bool
}

type spaceArgs struct {
	Doc spaceDoc
}

type stackArgs struct {
	Doc stackDoc
}

type cellArgs struct {
	Doc cellDoc
}

type listArgs struct {
	RealmName string
	SpaceName string
	StackName string
	CellName  string
}

type pingReply struct {
	OK      bool
	Version string
	Err     *apiError
}

type createRealmReply struct {
	Result struct {
		Realm                         realmDoc
		MetadataExistsPre             bool
		MetadataExistsPost            bool
		CgroupExistsPre               bool
		CgroupExistsPost              bool
		CgroupCreated                 bool
		ContainerdNamespaceExistsPre  bool
		ContainerdNamespaceExistsPost bool
		ContainerdNamespaceCreated    bool
		Created                       bool
	}
	Err *apiError
}

type createSpaceReply struct {
	Result struct {
		Space                spaceDoc
		MetadataExistsPre    bool
		MetadataExistsPost   bool
		CNINetworkExistsPre  bool
		CNINetworkExistsPost bool
		CNINetworkCreated    bool
		Created              bool
	}
	Err *apiError
}

type createStackReply struct {
	Result struct {
		Stack              stackDoc
		MetadataExistsPost bool
		CgroupCreated      bool
		Created            bool
	}
	Err *apiError
}

type getRealmReply struct {
	Result struct {
		Realm                     realmDoc
		MetadataExists            bool
		CgroupExists              bool
		ContainerdNamespaceExists bool
	}
	Err *apiError
}

type getCellReply struct {
	Result struct {
		Cell                     cellDoc
		MetadataExists           bool
		CgroupExists             bool
		RootContainerExists      bool
		RootContainerTaskRunning bool
	}
	Err *apiError
}

type cellVerbReply struct {
	Result struct {
		Cell    cellDoc
		Started bool
		Stopped bool
		Killed  bool
	}
	Err *apiError
}

type deleteCellReply struct {
	Result struct {
		Cell              cellDoc
		ContainersDeleted bool
		CgroupDeleted     bool
		MetadataDeleted   bool
	}
	Err *apiError
}

type deleteRealmReply struct {
	Result struct {
		Realm                      realmDoc
		Deleted                    []string
		MetadataDeleted            bool
		CgroupDeleted              bool
		ContainerdNamespaceDeleted bool
	}
	Err *apiError
}

type listCellsReply struct {
	Cells []cellDoc
	Err   *apiError
}

type listContainersReply struct {
	Containers []containerSpec
	Err        *apiError
}

type documentsArgs struct {
	RawYAML []byte
	Team    string
}

type documentsReply struct {
	Result struct {
		Resources []struct {
			Index   int               `json:"index"`
			Kind    string            `json:"kind"`
			Name    string            `json:"name"`
			Action  string            `json:"action"`
			Error   string            `json:"error,omitempty"`
			Changes []string          `json:"changes,omitempty"`
			Details map[string]string `json:"details,omitempty"`
		}
	}
	Err *apiError
}
