"""A random forest whose trees are plain arrays, so that it can be kept without any pickle."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor

from analysis.stats.learners import Settings

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int32]

MIN_LEAF = 5
# A tree that draws more people costs more in proportion, and tells the forest hardly anything new.
MOST_DRAWN = 4_000
LEAF = -1
# Samples that walk down trees at once, each in one tree: what they need stays in the cache.
_WALKERS = 2**15
GRID: tuple[Settings, ...] = (
    {"min_leaf": MIN_LEAF, "max_features": "sqrt"},
    {"min_leaf": 15, "max_features": "sqrt"},
    {"min_leaf": MIN_LEAF, "max_features": 0.2},
)


@dataclass(frozen=True)
class ForestModel:
    """Trees one after another: tree i starts at node ``first[i]``, nodes are counted from there.

    A sample goes to ``left`` where its ``feature`` is at most ``threshold``; a leaf has the feature
    -1, and ``share`` is the share of cases among the training samples in it. A threshold lies
    halfway between two training people's values of one feature and a leaf holds at least
    ``min_leaf`` draws of people; no row, name or label of anybody is kept.
    """

    first: Ints
    feature: Ints
    threshold: Floats
    left: Ints
    right: Ints
    share: Floats
    importance: Floats

    def probability(self, values: Floats) -> Floats:
        """Mean over the trees of the share of cases in the leaf that each sample falls into."""
        n, width = values.shape
        # Trees were grown on single precision: another rounding could take another branch.
        single = np.ascontiguousarray(values, dtype=np.float32).ravel()
        column, ways = self._ways()
        votes = np.zeros(n)
        step = max(1, _WALKERS // max(n, 1))
        for start in range(0, len(self.first), step):
            roots = self.first[start : start + step]
            node, row = np.repeat(roots, n), np.tile(np.arange(n) * width, len(roots))
            moving = True
            while moving:
                left = single.take(row + column.take(node)) <= self.threshold.take(node)
                last, node = node, ways.take(2 * node + left)
                moving = bool((node != last).any())
            # One after the other, so that the sum does not depend on how many walk at once.
            for share in self.share[node].reshape(len(roots), n):
                votes += share
        return votes / len(self.first)

    def _ways(self) -> tuple[Ints, Ints]:
        """Column that each node asks for, and where it leads, right and left, among all nodes.

        A leaf leads to itself: samples that have arrived wait there for the others, which costs
        less than telling them apart at every step.
        """
        node = np.arange(len(self.feature), dtype=np.int32)
        root = np.repeat(self.first, np.diff(self.first, append=len(node)))
        leaf = self.feature == LEAF
        ways = np.column_stack([self.right + root, self.left + root])
        ways[leaf] = node[leaf, None]
        return np.where(leaf, 0, self.feature).astype(np.int32), ways.ravel()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All fields by name."""
        return dict(vars(self))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "ForestModel":
        """The model that `arrays` came from."""
        return cls(**{name: arrays[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class RandomForest:
    """A forest [1]_ of ``n_trees``; leaves hold ``min_leaf`` or more, splits try ``max_features``.

    A tree draws, with replacement, as many people as there are, at most `MOST_DRAWN`: forests of
    subsamples are consistent as well [2]_, and trees of fewer people are less alike.

    References
    ----------
    .. [1] Breiman 2001, doi:10.1023/A:1010933404324
    .. [2] Scornet, Biau and Vert 2015, doi:10.1214/15-AOS1321
    """

    n_trees: int = 200
    grid: tuple[Settings, ...] = field(default=GRID)
    name: str = "random forest"
    precision: type = np.float32

    def fit(
        self, values: NDArray[Any], is_case: Bools, settings: Settings, seed: int
    ) -> ForestModel:
        """Grow the trees; the same seed and data give the same trees.

        A split that lowers the squared error of the labels -1 and 1 most lowers Gini's impurity
        most, and scikit-learn finds it in less time: a case and a control make one sum, not two.
        """
        forest = RandomForestRegressor(
            n_estimators=self.n_trees,
            min_samples_leaf=int(settings["min_leaf"]),
            max_features=settings["max_features"],
            max_samples=MOST_DRAWN if len(values) > MOST_DRAWN else None,
            n_jobs=1,
            random_state=seed,
        ).fit(values.astype(np.float32, copy=False), np.where(is_case, 1.0, -1.0))
        trees = [grown.tree_ for grown in forest.estimators_]
        sizes = np.array([tree.node_count for tree in trees])
        return ForestModel(
            first=np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32),
            feature=np.concatenate(
                [np.where(tree.children_left == LEAF, LEAF, tree.feature) for tree in trees]
            ).astype(np.int32),
            threshold=np.concatenate([tree.threshold for tree in trees]),
            left=np.concatenate([tree.children_left for tree in trees]).astype(np.int32),
            right=np.concatenate([tree.children_right for tree in trees]).astype(np.int32),
            share=np.concatenate([_share_of_cases(tree.value) for tree in trees]),
            importance=np.asarray(forest.feature_importances_, dtype=np.float64),
        )


def _share_of_cases(value: Floats) -> Floats:
    """Of each node's mean label, shape (n_nodes, 1, 1)."""
    share: Floats = (value[:, 0, 0] + 1) / 2
    return share
