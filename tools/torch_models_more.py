"""More kinds of models for tools/torch_models.py (which takes them into MODELS): mixtures of experts, states in place of
attention, encoders and decoders with caches, text with images, detection, video, sound, time series. groups(…) adds them."""
import torch, transformers as tf

SMALL = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48)
LM = dict(SMALL, vocab_size=64, max_position_embeddings=64)
GROUPED = dict(LM, num_key_value_heads=2, use_cache=False, pad_token_id=0, bos_token_id=1, eos_token_id=2)
VISION = dict(SMALL, image_size=32, patch_size=8)
# Each token's experts as one batch of products: torch's exporters have no form of the other ways.
EXPERTS = dict(GROUPED, experts_implementation="batched_mm")


def language(add, text):
    routed = dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16)
    latent = dict(num_key_value_heads=4, n_routed_experts=4, n_group=2, topk_group=1, num_experts_per_tok=2, kv_lora_rank=8, q_lora_rank=8,
                  qk_nope_head_dim=8, qk_rope_head_dim=8, v_head_dim=8, moe_intermediate_size=16, first_k_dense_replace=1)
    for name, stem, more in (
            ("mixtral_batched", "Mixtral", dict(num_local_experts=4)), ("qwen2_moe_batched", "Qwen2Moe", dict(routed, shared_expert_intermediate_size=16)),
            ("qwen3_moe", "Qwen3Moe", dict(routed, head_dim=8)), ("olmoe", "Olmoe", dict(num_experts=4, num_experts_per_tok=2)),
            ("granite_moe", "GraniteMoe", dict(num_local_experts=4)), ("phimoe", "Phimoe", dict(num_local_experts=4)),
            ("deepseek_v2", "DeepseekV2", latent), ("deepseek_v3_batched", "DeepseekV3", latent), ("dots1", "Dots1", dict(n_routed_experts=4, n_shared_experts=1, num_experts_per_tok=2, moe_intermediate_size=16, n_group=1, topk_group=1, first_k_dense_replace=1, head_dim=8)),
            ("glm4_moe", "Glm4Moe", dict(n_routed_experts=4, num_experts_per_tok=2, moe_intermediate_size=16, n_group=1, topk_group=1, first_k_dense_replace=1, head_dim=8)),
            ("jetmoe", "JetMoe", dict(num_local_experts=4, num_experts_per_tok=2, kv_channels=8, num_key_value_heads=2)),
            ("gpt_oss_batched", "GptOss", dict(head_dim=8, num_local_experts=4, sliding_window=4)),
            ("qwen3_next", "Qwen3Next", dict(routed, head_dim=8, shared_expert_intermediate_size=16, linear_num_key_heads=2, linear_num_value_heads=4, linear_key_head_dim=8, linear_value_head_dim=8)),
            ("minimax", "MiniMax", dict(num_local_experts=4, head_dim=8, block_size=4)),
            ("jamba", "Jamba", dict(num_experts=2, num_experts_per_tok=1, attn_layer_period=2, attn_layer_offset=1, expert_layer_period=2, expert_layer_offset=1, mamba_d_state=4, mamba_dt_rank=4, use_mamba_kernels=False)),
            ("lfm2", "Lfm2", dict(layer_types=["conv", "full_attention"])), ("glm4", "Glm4", dict(head_dim=8)), ("exaone4", "Exaone4", dict(sliding_window=4)),
            ("bitnet", "BitNet", {}), ("arcee", "Arcee", {}), ("diff_llama", "DiffLlama", {}), ("seed_oss", "SeedOss", dict(head_dim=8)), ("apertus", "Apertus", {}),
            ("hunyuan", "HunYuanDenseV1", dict(head_dim=8)), ("recurrent_gemma", "RecurrentGemma", dict(lru_width=32, block_types=["recurrent", "attention"], attention_window_size=8))):
        add(name, lambda stem=stem, more=more: getattr(tf, stem + "ForCausalLM")(getattr(tf, stem + "Config")(**dict(EXPERTS, **more))), text)
    state = dict(vocab_size=64, hidden_size=32, num_hidden_layers=2, state_size=4, use_cache=False, pad_token_id=0, bos_token_id=1, eos_token_id=2)
    add("mamba2", lambda: tf.Mamba2ForCausalLM(tf.Mamba2Config(**state, num_heads=8, head_dim=8, n_groups=2, chunk_size=4)), lambda: text(False))
    add("falcon_mamba", lambda: tf.FalconMambaForCausalLM(tf.FalconMambaConfig(**state)), lambda: text(False))
    for name, model, config, more in (("eurobert", "EuroBertModel", "EuroBert", dict(pad_token_id=0, bos_token_id=1, eos_token_id=2, mask_token_id=3)), ("tapas", "TapasModel", "Tapas", {}), ("markuplm", "MarkupLMModel", "MarkupLM", dict(max_xpath_tag_unit_embeddings=8, max_xpath_subs_unit_embeddings=8, xpath_unit_hidden_size=8, max_depth=4, tag_pad_id=7, subs_pad_id=7)),
                                      ("xmod", "XmodModel", "Xmod", dict(languages=["en"], default_language="en"))):
        add(name, lambda model=model, config=config, more=more: getattr(tf, model)(getattr(tf, config + "Config")(**dict(LM, **more))),
            (lambda: dict(text(), token_type_ids=torch.zeros(2, 9, 7, dtype=torch.long))) if name == "tapas" else text)
    add("perceiver", lambda: tf.PerceiverForMaskedLM(tf.PerceiverConfig(vocab_size=64, num_latents=4, d_latents=16, d_model=16, num_self_attends_per_block=2, num_self_attention_heads=2, num_cross_attention_heads=2, qk_channels=16, v_channels=16, max_position_embeddings=9)), lambda: {"inputs": torch.randint(3, 60, (2, 9)), "attention_mask": torch.ones(2, 9, dtype=torch.long)})


class Cached(torch.nn.Module):
    """One step of the decoder of a pair: the encoder's states, the new tokens, keys and values of both attentions."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, decoder_input_ids, encoder_hidden_states, attention_mask, return_dict=True, **past):
        own, cross = tf.DynamicCache(), tf.DynamicCache()
        for layer in range(2):
            own.update(past[f"past_key_{layer}"], past[f"past_value_{layer}"], layer)
            cross.update(past[f"past_cross_key_{layer}"], past[f"past_cross_value_{layer}"], layer)
        cache = tf.EncoderDecoderCache(own, cross)
        cache.is_updated = {0: True, 1: True}
        y = self.model(decoder_input_ids=decoder_input_ids, encoder_outputs=(encoder_hidden_states,), attention_mask=attention_mask, past_key_values=cache, use_cache=True)
        return (y.logits,) + tuple(t for layer in y.past_key_values.self_attention_cache.layers for t in (layer.keys, layer.values))


def cached(add, models):
    def feed():
        past = {f"past_{kind}{what}_{layer}": torch.randn(2, 4, length, 8) for layer in range(2) for kind, length in (("", 4), ("cross_", 9)) for what in ("key", "value")}
        seen = torch.ones(2, 9, dtype=torch.long)
        seen[1, 6:] = 0
        return {"decoder_input_ids": torch.randint(3, 60, (2, 1)), "encoder_hidden_states": torch.randn(2, 9, 32), "attention_mask": seen, **past}
    for name in ("t5", "bart", "marian", "m2m_100"):
        add(name + "_past", lambda name=name: Cached(models[name]()[0]), feed)


def sights(add, text, image):
    both = dict(text_config=dict(LM, eos_token_id=2), vision_config=VISION, projection_dim=16)
    seen = lambda: dict(text(), **image())
    add("chinese_clip", lambda: tf.ChineseCLIPModel(tf.ChineseCLIPConfig(text_config=LM, vision_config=VISION, projection_dim=16)), seen)
    add("clipseg", lambda: tf.CLIPSegForImageSegmentation(tf.CLIPSegConfig(**both, extract_layers=[0, 1], reduce_dim=16, decoder_num_attention_heads=2, decoder_intermediate_size=16)), seen)
    add("groupvit", lambda: tf.GroupViTModel(tf.GroupViTConfig(text_config=dict(LM, eos_token_id=2), vision_config=dict(hidden_size=32, intermediate_size=48, depths=[1, 1, 1], num_group_tokens=[4, 2, 0], num_output_groups=[4, 2, 0], num_attention_heads=4, image_size=32, patch_size=8), projection_dim=16, projection_intermediate_dim=24)), seen)
    add("blip", lambda: tf.BlipForConditionalGeneration(tf.BlipConfig(text_config=dict(LM, encoder_hidden_size=32, bos_token_id=1, eos_token_id=2, pad_token_id=0), vision_config=VISION)), seen)
    add("blip2_query", lambda: tf.Blip2QFormerModel(tf.Blip2QFormerConfig(**LM, encoder_hidden_size=32, cross_attention_frequency=1)), lambda: {"query_embeds": torch.randn(2, 4, 32), "encoder_hidden_states": torch.randn(2, 6, 32)})
    add("git", lambda: tf.GitForCausalLM(tf.GitConfig(**LM, vision_config=VISION, use_cache=False, num_image_with_embedding=None)), seen)
    add("owlvit", lambda: tf.OwlViTForObjectDetection(tf.OwlViTConfig(text_config=dict(LM, max_position_embeddings=9), vision_config=VISION, projection_dim=32)), seen)
    add("visual_bert", lambda: tf.VisualBertModel(tf.VisualBertConfig(**LM, visual_embedding_dim=16)), lambda: dict(text(), visual_embeds=torch.randn(2, 4, 16)))
    add("lxmert", lambda: tf.LxmertModel(tf.LxmertConfig(**{**LM, "num_hidden_layers": 1}, l_layers=1, x_layers=1, r_layers=1, visual_feat_dim=16, visual_pos_dim=4)), lambda: dict(text(), visual_feats=torch.randn(2, 4, 16), visual_pos=torch.rand(2, 4, 4)))
    swin = lambda **more: tf.SwinConfig(image_size=64, patch_size=4, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4, out_features=["stage1", "stage2", "stage3", "stage4"], **more)
    for name, make, size in (
            ("mask2former", lambda: tf.Mask2FormerForUniversalSegmentation(tf.Mask2FormerConfig(backbone_config=swin(), feature_size=32, mask_feature_size=32, hidden_dim=32, encoder_feedforward_dim=24, dim_feedforward=24, encoder_layers=1, decoder_layers=2, num_attention_heads=2, num_queries=4)), 64),
            ("maskformer", lambda: tf.MaskFormerForInstanceSegmentation(tf.MaskFormerConfig(backbone_config=swin(), fpn_feature_size=32, mask_feature_size=32, decoder_config=tf.DetrConfig(d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=24, decoder_ffn_dim=24, num_queries=4))), 64),
            ("deformable_detr", lambda: tf.DeformableDetrForObjectDetection(tf.DeformableDetrConfig(backbone_config=residual("stage1", "stage2"), d_model=32, encoder_layers=1, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=48, num_queries=5, num_feature_levels=2)), 64),
            ("depth_anything", lambda: tf.DepthAnythingForDepthEstimation(tf.DepthAnythingConfig(backbone_config=tf.Dinov2Config(**VISION, out_features=["stage1", "stage2"], reshape_hidden_states=False), patch_size=8, reassemble_hidden_size=32, reassemble_factors=[2, 1], neck_hidden_sizes=[8, 16], fusion_hidden_size=16, head_hidden_size=8)), 32),
            ("vitpose", lambda: tf.VitPoseForPoseEstimation(tf.VitPoseConfig(backbone_config=tf.VitPoseBackboneConfig(**{**VISION, "image_size": [32, 32], "patch_size": [8, 8]}), num_labels=3)), 32),
            ("vitdet", lambda: tf.VitDetModel(tf.VitDetConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, image_size=32, patch_size=8, window_size=2, window_block_indices=[0], use_relative_position_embeddings=True)), 32),
            ("textnet", lambda: tf.TextNetModel(tf.TextNetConfig()), 32), ("bit", lambda: tf.BitModel(tf.BitConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], num_groups=4)), 32),
            ("swiftformer", lambda: tf.SwiftFormerModel(tf.SwiftFormerConfig(image_size=64, depths=[1, 1, 1, 1], embed_dims=[8, 8, 16, 16])), 64),
            ("pvt_v2", lambda: tf.PvtV2Model(tf.PvtV2Config(image_size=32, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], num_attention_heads=[1, 1, 2, 2])), 32),
            ("hgnet_v2", lambda: tf.HGNetV2ForImageClassification(tf.HGNetV2Config(embedding_size=8, stem_channels=[3, 8, 8], hidden_sizes=[8, 8, 16, 16], stage_in_channels=[8, 8, 8, 16], stage_mid_channels=[8, 8, 8, 8], stage_out_channels=[8, 8, 16, 16], stage_num_blocks=[1, 1, 1, 1], stage_numb_of_layers=[2, 2, 2, 2])), 64),
            ("aimv2", lambda: tf.Aimv2VisionModel(tf.Aimv2VisionConfig(**VISION)), 32),
            ("mgp_str", lambda: tf.MgpstrForSceneTextRecognition(tf.MgpstrConfig(image_size=[32, 32], patch_size=8, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, max_token_length=5, num_character_labels=9, num_bpe_labels=12, num_wordpiece_labels=13)), 32)):
        add(name, make, lambda size=size: image(size))
    add("imagegpt", lambda: tf.ImageGPTModel(tf.ImageGPTConfig(vocab_size=64, n_positions=64, n_embd=32, n_layer=2, n_head=4, use_cache=False)), lambda: text(False))
    clip = lambda: {"pixel_values": torch.randn(2, 4, 3, 32, 32)}
    add("videomae", lambda: tf.VideoMAEForVideoClassification(tf.VideoMAEConfig(**VISION, num_frames=4)), clip)
    add("vivit", lambda: tf.VivitModel(tf.VivitConfig(**{k: v for k, v in VISION.items() if k != "patch_size"}, num_frames=4, tubelet_size=[2, 8, 8])), clip)
    add("timesformer", lambda: tf.TimesformerModel(tf.TimesformerConfig(**VISION, num_frames=4)), clip)


class Plain(torch.nn.Module):
    """A part of a model that takes one tensor and no options."""

    def __init__(self, part):
        super().__init__()
        self.part = part

    def forward(self, x, return_dict=True):
        return (self.part(x),)


def residual(*stages):
    return tf.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", out_features=list(stages))


def sounds(add, text, wave):
    add("encodec", lambda: Plain(tf.EncodecModel(tf.EncodecConfig(hidden_size=16, num_filters=4, codebook_size=16, codebook_dim=16, upsampling_ratios=[4, 2], num_lstm_layers=1, target_bandwidths=[1.5], sampling_rate=800)).encoder), lambda: {"x": torch.randn(2, 1, 200)})
    add("dac_encoder", lambda: Plain(tf.DacModel(tf.DacConfig(encoder_hidden_size=4, downsampling_ratios=[2, 4], decoder_hidden_size=16, codebook_size=16, n_codebooks=2, codebook_dim=4, hidden_size=16)).encoder), lambda: {"x": torch.randn(2, 1, 200)})
    add("dac_decoder", lambda: Plain(tf.DacModel(tf.DacConfig(encoder_hidden_size=4, downsampling_ratios=[2, 4], decoder_hidden_size=16, codebook_size=16, n_codebooks=2, codebook_dim=4, hidden_size=16)).decoder), lambda: {"x": torch.randn(2, 16, 9)})
    add("unispeech_sat", lambda: tf.UniSpeechSatModel(tf.UniSpeechSatConfig(**wave, num_codevectors_per_group=4, codevector_dim=8)), lambda: {"input_values": torch.randn(2, 400)})
    add("wav2vec2_bert", lambda: tf.Wav2Vec2BertModel(tf.Wav2Vec2BertConfig(**{k: v for k, v in SMALL.items()}, feature_projection_input_dim=16, position_embeddings_type="relative_key", left_max_position_embeddings=8, right_max_position_embeddings=4, conv_depthwise_kernel_size=3)), lambda: {"input_features": torch.randn(2, 12, 16)})
    add("speaker", lambda: tf.Wav2Vec2ForXVector(tf.Wav2Vec2Config(**wave, tdnn_dim=(8, 8, 8), tdnn_kernel=(3, 3, 1), tdnn_dilation=(1, 2, 1), xvector_output_dim=8)), lambda: {"input_values": torch.randn(2, 400)})
    add("univnet", lambda: tf.UnivNetModel(tf.UnivNetConfig(model_in_channels=8, model_hidden_channels=8, num_mel_bins=8, resblock_kernel_sizes=[3], resblock_stride_sizes=[4], resblock_dilation_sizes=[[1, 3]], kernel_predictor_num_blocks=1, kernel_predictor_hidden_channels=8)), lambda: {"input_features": torch.randn(2, 7, 8), "noise_sequence": torch.randn(2, 7, 8)})
    add("hifigan", lambda: tf.SpeechT5HifiGan(tf.SpeechT5HifiGanConfig(model_in_dim=8, upsample_initial_channel=16, upsample_rates=[4, 2], upsample_kernel_sizes=[8, 4])), lambda: {"spectrogram": torch.randn(2, 9, 8)})
    add("clap_text", lambda: tf.ClapTextModel(tf.ClapTextConfig(**LM)), text)


def series(add):
    more = dict(prediction_length=4, context_length=12, lags_sequence=[1, 2], num_time_features=1, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=24, decoder_ffn_dim=24)
    feed = lambda: {"past_values": torch.randn(2, 14), "past_time_features": torch.randn(2, 14, 1), "past_observed_mask": torch.ones(2, 14), "future_values": torch.randn(2, 4), "future_time_features": torch.randn(2, 4, 1)}
    add("time_series_transformer", lambda: tf.TimeSeriesTransformerModel(tf.TimeSeriesTransformerConfig(**more)), feed)
    add("informer", lambda: tf.InformerModel(tf.InformerConfig(**more, attention_type="full")), feed)
    add("autoformer", lambda: tf.AutoformerModel(tf.AutoformerConfig(**more, label_length=4, moving_average=3)), feed)


def groups(models, add, text, image, wave):
    language(add, text)
    cached(add, models)
    sights(add, text, image)
    sounds(add, text, wave)
    series(add)
